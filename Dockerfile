# The page in a container, on port 7860, as a user without rights (uid 1000, as on Hugging Face Spaces).
#
#   docker build --tag picture-reranker .
#   docker run --publish 127.0.0.1:7860:7860 picture-reranker
#   docker run --publish 127.0.0.1:7860:7860 --gpus all --volume "$PWD/models:/data" \
#     --env RERANKER_MODEL=/data/lychee-rerank-mm picture-reranker
#
# No CUDA image is needed: on Linux, pip brings a build of torch with the CUDA libraries in it; the host brings the driver.
FROM python:3.11-slim

RUN useradd --create-home --uid 1000 reranker \
 && install --directory --owner=reranker --group=reranker /data
WORKDIR /home/reranker/app

COPY requirements.txt .
RUN pip install --no-cache-dir --requirement requirements.txt

COPY --chown=reranker app.py LICENSE ./
COPY --chown=reranker assets assets
COPY --chown=reranker reranker reranker

USER reranker
ENV HF_HOME=/data/huggingface \
    PYTHONUNBUFFERED=1 \
    RERANKER_HOST=0.0.0.0
VOLUME /data
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=2m \
  CMD python -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:${RERANKER_PORT:-7860}/', timeout=4)"
CMD ["python", "app.py"]
