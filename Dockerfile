# The page in a container, on port 7860, as a user without rights (uid 1000, as on Hugging Face Spaces).
#
#   docker build --tag picture-reranker .
#   docker run --publish 127.0.0.1:7860:7860 --gpus all --volume reranker-models:/data picture-reranker
#
# or `docker compose up`. On a machine without a GPU leave out `--gpus all`: the toybox runs on the CPU. To run another
# command, write it after the name of the image; here over a folder of pictures that it may only read:
#
#   docker run --rm --gpus all --volume reranker-models:/data --volume "$HOME/Pictures:/pictures:ro" picture-reranker \
#     python -m reranker rank "a woman in a red dress" /pictures --recursive
#
# No CUDA image is needed: on Linux, pip installs a build of torch with the CUDA libraries; the driver is the host's.
FROM python:3.11-slim

RUN useradd --create-home --uid 1000 reranker \
 && install --directory --owner=reranker --group=reranker /data
WORKDIR /home/reranker/app

# requirements-cluster.txt for several workers: deploy/.
ARG REQUIREMENTS=requirements.txt
COPY requirements.txt requirements-cluster.txt ./
RUN pip install --no-cache-dir --requirement "$REQUIREMENTS"

COPY --chown=reranker app.py LICENSE ./
COPY --chown=reranker assets assets
COPY --chown=reranker reranker reranker

USER 1000
# Models and stored scores are on the volume. In the container the page listens on all addresses; publish it on loopback.
ENV HF_HOME=/data/huggingface \
    XDG_CACHE_HOME=/data/cache \
    PYTHONUNBUFFERED=1 \
    RERANKER_HOST=0.0.0.0
VOLUME /data
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=2m \
  CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('RERANKER_PORT', '7860'), timeout=4)"]
CMD ["python", "app.py"]
