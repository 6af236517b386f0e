#!/usr/bin/env bash
# The first fifteen minutes of a GPU: benchmarks/first_gpu.sh OUT [1|2|all] [--quick]
#
# Part 1, at most 8 minutes: the tests that need a GPU, beside a first filling of the compile cache; then EDGAN, BCGAN and
# RealnessGAN in bf16 with base, each switch and the eager loop, then in TF32 and float32.
# Part 2, at most 4 minutes: resuming to the same bits, several runs on a GPU, feature extraction.
#
# Every part ends within its time, even where some of it fails or hangs: rows and the longest kernels lie in OUT as they
# come, and OUT/summary.txt says how each step ended. Needs PyTorch, NumPy, matplotlib, pytest and pydantic. --quick tries
# the script on a CPU, at toy size and in a tenth of the time.
set -uo pipefail
cd "$(dirname "$0")/.."

OUT=${1:?usage: benchmarks/first_gpu.sh OUT [1|2|all] [--quick]}
PART=${2:-all}
DEVICE=cuda MINUTE=60 SIZE=()
if [[ "${3:-}" == --quick ]]; then
  DEVICE=cpu MINUTE=${GANTRY_MINUTE:-6} SIZE=(--quick --seconds 0.01)
fi
PYTHON=${PYTHON:-python3}
mkdir -p "$OUT"
OUT=$(cd "$OUT" && pwd)
SUMMARY=$OUT/summary.txt
export PYTHONPATH="$PWD/src${PYTHONPATH:+:$PYTHONPATH}" OMP_NUM_THREADS=${OMP_NUM_THREADS:-4}
export TORCHINDUCTOR_CACHE_DIR=${TORCHINDUCTOR_CACHE_DIR:-$OUT/inductor}
export CUBLAS_WORKSPACE_CONFIG=:4096:8

# within SECONDS NAME COMMAND…: run it for no longer, its words in OUT/NAME.log, how it ended in the summary.
within() {
  local seconds=$1 name=$2 began=$SECONDS code=0
  shift 2
  if ((seconds <= 0)); then
    echo "$name: not begun: the time was up" >>"$SUMMARY"
    return
  fi
  timeout --kill-after=5 "$seconds" "$@" >"$OUT/$name.log" 2>&1 || code=$?
  case $code in
    0) echo "$name: done in $((SECONDS - began)) s" >>"$SUMMARY" ;;
    124 | 137) echo "$name: given up after $seconds s; see $name.log" >>"$SUMMARY" ;;
    *) echo "$name: exit code $code after $((SECONDS - began)) s; see $name.log" >>"$SUMMARY" ;;
  esac
}

# left: seconds of the part that are left.
left() { echo $((END - SECONDS)); }

steps() {
  local name=$1 share=$2
  shift 2
  local seconds=$(($(left) * share / 100))
  within "$seconds" "$name" "$PYTHON" benchmarks/gpu.py --out "$OUT/$name" --device "$DEVICE" --budget $((seconds * 9 / 10)) \
    --deadline $((MINUTE * 3 / 2)) --tables steps --recipes edgan bcgan realnessgan "${SIZE[@]}" "$@"
}

part_one() {
  END=$((SECONDS + 8 * MINUTE))
  echo "part 1: the GPU's tests and steps" >>"$SUMMARY"
  within $((2 * MINUTE)) warm "$PYTHON" benchmarks/gpu.py --out "$OUT/warm" --device "$DEVICE" --tables steps \
    --recipes edgan --precisions bf16 --switches compile --budget $((MINUTE * 19 / 10)) "${SIZE[@]}" &
  within $((2 * MINUTE)) tests "$PYTHON" -m pytest -q -m gpu tests/training tests/metrics tests/data tests/objectives &
  wait
  steps bf16 60 --precisions bf16 --switches compile whole_iterations streams fused_oadam --profile
  steps others 100 --precisions tf32 fp32 --profile
}

part_two() {
  END=$((SECONDS + 4 * MINUTE))
  echo "part 2: resuming, several runs, features" >>"$SUMMARY"
  within "$MINUTE" resume "$PYTHON" -m pytest -q -m gpu tests/training/test_resume.py
  within $((2 * MINUTE)) processes "$PYTHON" benchmarks/gpu.py --out "$OUT/processes" --device "$DEVICE" \
    --tables processes --precisions bf16 --budget $((MINUTE * 19 / 10)) --deadline "$MINUTE" "${SIZE[@]}"
  within "$(left)" features "$PYTHON" benchmarks/gpu.py --out "$OUT/features" --device "$DEVICE" \
    --tables features --budget $(($(left) * 9 / 10)) "${SIZE[@]}"
}

echo "$(date -u +%FT%TZ) $("$PYTHON" -c 'import torch; print(torch.__version__, torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU")')" >>"$SUMMARY"
[[ $PART == 1 || $PART == all ]] && part_one
[[ $PART == 2 || $PART == all ]] && part_two
cat "$SUMMARY"
