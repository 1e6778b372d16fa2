#!/usr/bin/env bash
# Verifies and measures the device cuda on a machine that has an NVIDIA driver and Python with torch, and nothing of ours:
# all it runs is this working tree and what gpu-build.sh has put into build/gpu.
#
#	bench/gpu.sh [STEP...]      all steps when none is named
#
#	driver       the driver, the GPU, the first start (in which the driver compiles our kernels) and the second
#	conformance  every op against float64, in float32
#	rounded      every op against float64, with factors in bf16 and in f16
#	kernels      the other tests of the device: the driver's errors, copies, graphs
#	parity       the network and the tracked frames against the goldens of the official implementation, in float32
#	masks        overlap of the masks in f16, the default, with those in float32, of nano and of random weights: 0.99 at least; bf16 beside
#	memcheck     compute-sanitizer over the conformance suite: memory
#	racecheck    the same: shared memory
#	ceilings     what the GPU can do at most: a large product and a copy
#	speed        frames/s end to end from decoded frames, one resident and as planned, with the device's peak beside the bound
#	stages       each stage alone
#	roofline     each op beside the ceilings
#	peers        PyTorch's predictor, eager and compiled, with the same weights
#
# A step that fails, or takes longer than it may, does not stop the others. All that they print goes to gpu.log in the
# folder of results, figures to gpu.jsonl, and tables to gpu.md; of each step one line and its findings are printed.
#
#	OUT=FOLDER     of results, bench/results/gpu-DATE
#	BIN=FOLDER     of the programs, build/gpu, or else unpacked from FOLDER.tar.gz
#	LIMIT=SECONDS  after which no step goes on, 570
#	DEVICE=cpu     a rehearsal without a GPU
#	VARIANTS="tiny large"  FRAMES=240  PYTHON=python3  SAM2=CHECKOUT (BIN/sam2)
#	PEERS=eager,graphs,default  PEER_FRAMES=40  PEER_SECONDS=150  what gpu.py measures, on how many frames, and for how long each
#	ROUNDED, SANITIZE      patterns of test names, and SIZE, an image size for rehearsals
set -uo pipefail
cd "$(dirname "$0")/.."

WORK=${WORK:-$(mktemp -d)}
[[ ${1:-} == --one ]] || trap 'rm -rf "$WORK"' EXIT
BIN=${BIN:-build/gpu}
if [[ ! -d $BIN && -e $BIN.tar.gz ]]; then
	mkdir "$WORK/bin" && tar -C "$WORK/bin" -xzf "$BIN.tar.gz" || exit 2
	BIN=$WORK/bin
fi
export BIN OUT DEVICE VARIANTS FRAMES PYTHON SAM2 PEERS PEER_FRAMES PEER_SECONDS ROUNDED SANITIZE SIZE WORK
BIN=$(cd "$BIN" && pwd) || exit 2
OUT=${OUT:-bench/results/gpu-$(date +%F)}
mkdir -p "$OUT" && OUT=$(cd "$OUT" && pwd) || exit 2
DEVICE=${DEVICE:-cuda}
VARIANTS=${VARIANTS:-tiny large}
FRAMES=${FRAMES:-240}
PYTHON=${PYTHON:-python3}
SAM2=${SAM2:-$BIN/sam2}
PEERS=${PEERS:-eager,graphs,default}
PEER_FRAMES=${PEER_FRAMES:-40}
PEER_SECONDS=${PEER_SECONDS:-150}
ROUNDED=${ROUNDED:-Precision}
SANITIZE=${SANITIZE:-^TestDevice\$}
SIZE=${SIZE:-1024}

# found prints a finding, which is shown beside the step's line.
found() { echo "> $*"; }

# record puts a JSON object on standard input into gpu.jsonl, with a few words about it before it: record '"what": "x"'.
record() {
	local object
	object=$(cat)
	[[ $object == \{* ]] || return 1
	echo "{$1, \"result\": $object}" >>"$OUT/gpu.jsonl"
}

# tests FOLDER PROGRAM PATTERN runs tests of a package where it lies. All that match have to run and to pass.
tests() {
	local log status
	log=$(mktemp -p "$WORK")
	(cd "$1" && "$BIN/$2.test" -test.v -test.count=1 -test.run "$3") >"$log" 2>&1
	status=$?
	cat "$log"
	grep -E '^ *--- FAIL' "$log" | head -16 | while read -r line; do found "$line"; done
	[[ $status == 0 ]] || grep -E '^ +[a-z_0-9]+\.go:[0-9]+: |^panic|^fatal' "$log" | sed 's/^ */  /' | head -12 | while read -r line; do found "  $line"; done
	found "$2 $3: exit code $status, $(grep -c -- '--- PASS' "$log") passed, $(grep -c -- '--- FAIL' "$log") failed, $(grep -c -- '--- SKIP' "$log") skipped"
	! grep -q 'no tests to run' "$log" && ! { [[ ${4:-} != skips ]] && grep -q -- '--- SKIP' "$log"; } && [[ $status == 0 ]]
}

# on PRECISION gives the flags of the device, and of the precision where there is a choice.
on() {
	echo --device "$DEVICE"
	[[ $DEVICE == cpu ]] || echo --set "pipeline.precision=$1"
}

# sized gives the flags of a smaller image in a rehearsal.
sized() { [[ $SIZE == 1024 ]] || echo --set "model.config.image_size=$SIZE"; }

# weights VARIANT makes random weights once.
weights() {
	[[ -e $WORK/$1.safetensors ]] || "$BIN/tachi" model init --variant "$1" -o "$WORK/$1.safetensors" >&2 || return
	echo "$WORK/$1.safetensors"
}

# measured VARIANT ARGUMENT... runs `tachi bench` on its synthetic video, with random weights.
measured() {
	local variant=$1 w
	shift
	w=$(weights "$variant") &&
		"$BIN/tachi" bench pipelines/bench.toml --json --variant "$variant" --weights "$w" --frames "$FRAMES" $(on auto) $(sized) "$@"
}

step_driver() {
	if [[ $DEVICE == cuda ]]; then
		nvidia-smi || return
		found "$(nvidia-smi --query-gpu=name,driver_version,memory.total,compute_cap,clocks.sm,clocks.max.sm --format=csv,noheader)"
		nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader |
			"$PYTHON" -c 'import json, sys; print(json.dumps(dict(zip(("name", "driver", "memory"), sys.stdin.readline().strip().split(", ")))))' | record '"what": "gpu"'
	fi
	found "$("$PYTHON" -c 'import sys, torch; print("python", sys.version.split()[0], "torch", torch.__version__, "cuda", torch.cuda.is_available())')"
	"$BIN/tachi" version || return
	local i begun
	for i in first second; do
		begun=$(date +%s.%N)
		"$BIN/tachi" run pipelines/bench.toml $(on bf16) --quiet --set stages.source.frames=2 || return
		found "$i start, two frames of nano: $(awk -v a="$begun" -v b="$(date +%s.%N)" 'BEGIN { printf "%.2f s", b - a }')"
	done
}

step_conformance() { tests kernels/cuda kernels_cuda '^TestDevice$'; }

step_rounded() {
	tests kernels/cuda kernels_cuda "$ROUNDED"
}

step_kernels() {
	local others
	others=$("$BIN/kernels_cuda.test" -test.list . | grep '^Test' | grep -vE "^TestDevice\$|$ROUNDED" | paste -sd '|')
	tests kernels/cuda kernels_cuda "^($others)\$" skips
}

step_parity() {
	export TACHI_TEST_DEVICE=$DEVICE
	local bad=0
	tests stages/internal/sam2 sam2 . skips || bad=1
	tests stages stages 'Reference|Threshold|LogitZero|AnObject|AMemory' || bad=1
	return $bad
}

# alike NAME WANT ARGUMENT... runs a pipeline in float32 and in WANT, and compares the masks.
alike() {
	local name=$1 want=$2 p bad=0 result
	shift 2
	for p in f32 "$want"; do
		"$BIN/tachi" run pipelines/bench.toml --overwrite --quiet $(on "$p") --set stages.sink.stage=dump --set "stages.sink.path=$WORK/$p.safetensors" \
			--set stages.sink.inputs.candidates=masks.candidates "$@" || return
	done
	result=$("$PYTHON" bench/peers/iou.py "$WORK/f32.safetensors" "$WORK/$want.safetensors") || bad=1
	found "$name, $want: $result"
	record "\"what\": \"masks\", \"network\": \"$name\", \"precision\": \"$want\"" <<<"$result"
	return $bad
}

step_masks() {
	local bad=0 family variant w
	for family in easy crossing; do
		alike "nano $family" f16 --set "stages.source.family=$family" || bad=1
		alike "nano $family" bf16 --set "stages.source.family=$family" # for the record: PyTorch in bf16 is no nearer to itself
	done
	for variant in $VARIANTS; do
		w=$(weights "$variant") || return
		alike "random $variant" f16 --variant "$variant" --weights "$w" --set stages.source.frames=20 $(sized) || bad=1
		alike "random $variant" bf16 --variant "$variant" --weights "$w" --set stages.source.frames=20 $(sized)
	done
	return $bad
}

# sanitized TOOL runs the conformance suite under compute-sanitizer.
sanitized() {
	local log="$WORK/$1.log" status
	(cd kernels/cuda && compute-sanitizer --tool "$1" --target-processes all --error-exitcode 9 --print-limit 20 \
		"$BIN/kernels_cuda.test" -test.v -test.count=1 -test.run "$SANITIZE") >"$log" 2>&1
	status=$?
	cat "$log"
	grep -E '^ *--- FAIL|========= (Invalid|Error|Warning|ERROR|RACECHECK|Program hit)' "$log" | sort | uniq -c | sort -rn | head -8 | while read -r line; do found "$line"; done
	found "$1: exit code $status, $(grep -c -- '--- PASS' "$log") passed"
	[[ $status == 0 ]] && ! grep -q 'no tests to run\|--- SKIP' "$log"
}

step_memcheck() { sanitized memcheck; }
step_racecheck() { sanitized racecheck; }

step_ceilings() {
	local result
	result=$("$PYTHON" bench/peers/gpu.py --what ceilings --device "$DEVICE") || return
	found "$result"
	record '"what": "peer"' <<<"$result"
}

# watched COMMAND... runs it, and leaves in $WORK/used the most MiB that the GPU had in use, and what it had before.
watched() {
	local poll before=0 status
	echo 0 >"$WORK/used"
	if ! command -v nvidia-smi >/dev/null; then
		"$@"
		return
	fi
	before=$(nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits | head -1)
	nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits -lms 100 >"$WORK/poll" 2>/dev/null &
	poll=$!
	"$@"
	status=$?
	kill "$poll" 2>/dev/null
	wait "$poll" 2>/dev/null
	awk -v before="$before" '$1 > most { most = $1 } END { print most - before }' "$WORK/poll" >"$WORK/used"
	return $status
}

step_speed() {
	local bad=0 variant name set result
	for variant in $VARIANTS; do
		for name in one planned; do
			set=()
			[[ $name == planned ]] || set=(--set pipeline.batch=1 --set pipeline.micro=1)
			watched measured "$variant" "${set[@]}" >"$WORK/speed" || { bad=1; continue; }
			result=$(tail -1 "$WORK/speed")
			record "\"what\": \"speed\", \"variant\": \"$variant\", \"batch\": \"$name\", \"used_mib\": $(cat "$WORK/used")" <<<"$result" || { bad=1; continue; }
			found "$variant, $name: $("$PYTHON" -c '
import json, sys
r = json.loads(sys.argv[1])
print("%.1f frames/s, batch %d, device %.1f of %.1f MiB planned," % (r["fps"], r["batch"], r["resident_bytes"] / 2**20, r["resident_bound_bytes"] / 2**20),
      " ".join("%s %.2f" % (s["id"], s["p50_ms"]) for s in r["stages"]), "ms")
sys.exit(r["resident_bytes"] > r["resident_bound_bytes"])' "$result"), $(cat "$WORK/used") MiB more in use on the GPU" || bad=1
			"$BIN/tachi" plan pipelines/bench.toml --json --variant "$variant" --weights "$(weights "$variant")" $(on bf16) $(sized) "${set[@]}" |
				record "\"what\": \"plan\", \"variant\": \"$variant\", \"batch\": \"$name\""
		done
	done
	return $bad
}

step_stages() {
	local bad=0 variant id result line
	for variant in $VARIANTS; do
		line=
		for id in upload encode attend masks select memory; do
			result=$(measured "$variant" --set pipeline.batch=1 --set pipeline.micro=1 --stage "$id" --count 50 | tail -1)
			record "\"what\": \"stage\", \"variant\": \"$variant\"" <<<"$result" || { bad=1; continue; }
			line+=" $id $("$PYTHON" -c 'import json, sys; print("%.3f" % json.loads(sys.argv[1])["p50_ms"])' "$result")"
		done
		found "$variant, each alone, ms:$line"
	done
	return $bad
}

step_roofline() {
	local bad=0 variant result
	for variant in $VARIANTS; do
		result=$(measured "$variant" --set pipeline.batch=1 --set pipeline.micro=1 --roofline --count 5 | tail -1)
		record "\"what\": \"roofline\", \"variant\": \"$variant\"" <<<"$result" || { bad=1; continue; }
		"$PYTHON" -c '
import json, sys
r = json.loads(sys.argv[1])
for o in r["ops"][:8]:
    print("> %s %s %s (%s): %.3f ms, %.1f TFLOP/s, %.0f GB/s, %.0f %% of the limit" % (sys.argv[2], o["stage"], o["op"], o.get("shape", ""), 1e3 * o["seconds"],
          o["gflop"] / o["seconds"] / 1e3, o["gb"] / o["seconds"], 100 * o["limit_seconds"] / o["seconds"]))' "$result" "$variant"
	done
	return $bad
}

step_peers() {
	local bad=0 variant line
	if compgen -G "$BIN/wheels/*.whl" >/dev/null && ! "$PYTHON" -c 'import hydra, omegaconf, iopath' 2>/dev/null; then
		"$PYTHON" -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade --target "$WORK/site" "$BIN"/wheels/*.whl || return
		export PYTHONPATH=$WORK/site${PYTHONPATH:+:$PYTHONPATH}
	fi
	for variant in $VARIANTS; do
		while read -r line; do
			record '"what": "peer"' <<<"$line"
			found "$line"
			[[ $line != *'"error"'* ]] || bad=1
		done < <("$PYTHON" bench/peers/gpu.py --sam2 "$SAM2" --variant "$variant" --what "$PEERS" --frames "$PEER_FRAMES" --device "$DEVICE" \
			--image-size "$SIZE" --seconds "$PEER_SECONDS" | grep '^{')
	done
	return $bad
}

if [[ ${1:-} == --one ]]; then # in a process of its own, which can be ended
	"step_$2"
	exit
fi

all=(driver conformance rounded kernels parity masks memcheck racecheck ceilings speed stages roofline peers)
declare -A most=([driver]=90 [conformance]=120 [rounded]=180 [kernels]=120 [parity]=180 [masks]=240 [memcheck]=240 [racecheck]=240 [ceilings]=60 [speed]=180
	[stages]=180 [roofline]=180 [peers]=560)
for step in "$@"; do
	[[ -n ${most[$step]:-} ]] || { echo "no step $step: there are ${all[*]}" >&2; exit 2; }
done
[[ $# -gt 0 ]] || set -- "${all[@]}"

failed=0 summary=
for step in "$@"; do
	left=$((${LIMIT:-570} - SECONDS)) begun=$SECONDS
	limit=$((most[$step] < left ? most[$step] : left))
	if ((limit < 5)); then
		line="SKIP $step: no time left"
		failed=1
	else
		timeout --kill-after=5 "$limit" "$0" --one "$step" >"$WORK/step.log" 2>&1
		status=$?
		took="$((SECONDS - begun)) s"
		case $status in
		0) line="PASS $step ($took)" ;;
		124 | 137) line="FAIL $step (ended after $took, its limit)" failed=1 ;;
		*) line="FAIL $step ($took, exit code $status)" failed=1 ;;
		esac
		{
			echo "=== $step: $(date -u +%FT%TZ)"
			cat "$WORK/step.log"
			echo "=== $line"
		} >>"$OUT/gpu.log"
		grep '^> ' "$WORK/step.log" | cut -c1-600
		[[ $status == 0 ]] || grep -v '^> ' "$WORK/step.log" | tail -8 | cut -c1-300 | sed 's/^/  | /'
	fi
	echo "$line"
	summary+="$line"$'\n'
done
[[ ! -e $OUT/gpu.jsonl ]] || "$PYTHON" bench/peers/table.py "$OUT/gpu.jsonl" | tee "$OUT/gpu.md"
echo "----"
printf %s "$summary" | tee -a "$OUT/summary.txt"
exit $failed
