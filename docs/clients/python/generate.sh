#!/bin/sh
# Makes the modules of the services' messages and stubs under `generated/`, or the folder given.
# PYTHON says with which Python (default: python3).
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
protos=$here/../../../proto
out=${1:-$here/generated}
mkdir -p "$out"
find "$protos/weir" -name '*.proto' -exec \
    "${PYTHON:-python3}" -m grpc_tools.protoc -I "$protos" \
    --python_out="$out" --pyi_out="$out" --grpc_python_out="$out" {} +
