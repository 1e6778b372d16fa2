#!/bin/bash
# Compares tachi with the official implementations at full size; called by `make parity`. Needs
#   PYTHON   a Python with the packages of requirements.txt
#   SAM2     a checkout of facebookresearch/sam2
#   SAMURAI  a checkout of yangchris11/samurai
# CLIP and BOX name another video and the object on its first frame. Arguments go to parity.py.
set -euo pipefail
here=$(dirname "$0")
: "${PYTHON:=python3}"
: "${SAM2:?set SAM2 to a checkout of facebookresearch/sam2}"
: "${SAMURAI:?set SAMURAI to a checkout of yangchris11/samurai}"
exec "$PYTHON" "$here/parity.py" --tachi ./tachi --sam2 "$SAM2" --samurai "$SAMURAI" \
    --clip "${CLIP:-pipelines/demo/clip.mp4}" ${BOX:+--box "$BOX"} "$@"
