#!/usr/bin/env bash
# A GAN trained in minutes on a borrowed GPU, then the GPU's tests and benchmarks; one call leaves all that is worth keeping in OUT.
#
#     benchmarks/on_a_gpu.sh PACK OUT [MINUTES [further options of train ...]]
#
# PACK is a zip archive of photographs with train/ and test/ inside. What is left in OUT: the weights in half precision, cut into parts of
# 15 MB (cat portraits.safetensors.* > portraits.safetensors puts them together), their card, the log, the last samples,
# and report.txt with images a second, test results and benchmark figures. Called again in the same folder it goes on
# where it stopped. PYTHON, DEVICE and CHANNELS may be set; DEVICE=cpu tries everything out on a CPU:
#
#     DEVICE=cpu CHANNELS=8 benchmarks/on_a_gpu.sh faces-aligned.zip out 5 --steps 2
set -u
cd "$(dirname "$0")/.."
pack=$1 out=$2 minutes=${3:-7}
shift $(($# < 3 ? $# : 3))
python=${PYTHON:-python3} device=${DEVICE:-cuda} channels=${CHANNELS:-96}
export PYTHONPATH=. PYTHONUNBUFFERED=1 TUTORIAL_DEVICE=$device
run=runs/gpu
mkdir -p "$out" "$run"
exec > >(tee "$out/report.txt") 2>&1

echo "== training"
started=$(date +%s)
"$python" -m tutorial_lib train --data folder --root "$pack" --base-channels "$channels" --discriminator-channels $((channels * 2 / 3)) \
    --norm spectral --augment color translation --discriminator-rate 2 --ema 0.999 --junk 0.25 --batch-size 128 \
    --steps 1000000 --minutes "$minutes" --device "$device" --name portraits --out "$run" \
    --licence "FairFace (Karkkainen and Joo 2021), CC BY 4.0; portraits of members of the US Congress, public domain" "$@" 2> "$run/errors.txt"
echo "train ended with $?"; tail -c 400 "$run/errors.txt" | tr '\r' '\n' | tail -n 3
steps=$(($(wc -l < "$run/log.csv") - 1))
echo "$steps steps in all; this call took $(($(date +%s) - started)) s"
split -b 15000000 "$run/portraits.safetensors" "$out/portraits.safetensors."
cp "$run/portraits.json" "$run/log.csv" "$out/"
cp "$(ls "$run"/samples/*.png | tail -n 1)" "$out/samples.png"

[ "$device" = cpu ] && exit 0
for tests in device blending training; do
    echo "== $tests"; timeout 60 "$python" -m pytest -q -p no:cacheprovider "tests/unit/test_$tests.py" 2>&1 | tail -n 3
done
for script in training search; do
    echo "== benchmarks/$script.py"; timeout 90 "$python" "benchmarks/$script.py" 2>&1 | tail -n 25
done
