# The page in a container, on port 7860, as a user without rights (uid 1000, as on Hugging Face Spaces).
#
#   docker build --tag picture-reranker .
#   docker run --publish 127.0.0.1:7860:7860 --gpus all --volume reranker-models:/data picture-reranker
#
# or `docker compose up`. On a machine without a card leave out `--gpus all`: the toybox runs on the processor. Another
# command goes behind the image's name, over a folder of pictures that it may only read:
#
#   docker run --rm --gpus all --volume reranker-models:/data --volume "$HOME/Pictures:/pictures:ro" picture-reranker \
#     python -m reranker rank "a woman in a red dress" /pictures --recursive
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

USER 1000
# Models and known scores on the volume. Inside, the page listens on all addresses; outside, publish it on loopback.
ENV HF_HOME=/data/huggingface \
    XDG_CACHE_HOME=/data/cache \
    PYTHONUNBUFFERED=1 \
    RERANKER_HOST=0.0.0.0
VOLUME /data
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=2m \
  CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('RERANKER_PORT', '7860'), timeout=4)"]
CMD ["python", "app.py"]
