"""Times the official SAM 2 predictor on one tracked frame with a full memory bank, in float32 on a CPU.

    peer.py --sam2 CHECKOUT [--variant tiny] [--image-size 1024] [--threads 2] [--frames 5] [--weights w.pt]

Prints one JSON object per frame, seconds for the whole and for its parts, and a last one with the medians. The bank is
the fullest that plain tracking reads: the prompt's memory, six recent ones and sixteen pointers. They are copies of one
tracked frame: what they hold does not change how long they take. Weights are random, the same as `tachi model init`
makes, unless a checkpoint is given. The packages are those of stages/internal/sam2/testdata/requirements.txt.
"""

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "stages", "internal", "sam2", "testdata"))

YAML = {"tiny": "t", "small": "s", "base_plus": "b+", "large": "l"}
FULL = 16  # frames back to the oldest pointer that is read


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--sam2", required=True, help="checkout of facebookresearch/sam2")
    p.add_argument("--variant", default="tiny", choices=YAML)
    p.add_argument("--image-size", type=int, default=1024)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--frames", type=int, default=5, help="frames to time, after one that is not")
    p.add_argument("--seed", type=int, default=7)
    p.add_argument("--weights", help="official checkpoint; random weights without")
    a = p.parse_args()

    import torch

    import reference

    reference.use(a.sam2)
    torch.set_num_threads(a.threads)
    with contextlib.redirect_stdout(sys.stderr):
        model = reference.build(f"sam2.1/sam2.1_hiera_{YAML[a.variant]}.yaml", {"image_size": a.image_size}, a.seed)
    if a.weights:
        state = torch.load(a.weights, weights_only=True, map_location="cpu")["model"]
        model.load_state_dict(state, strict=True)
    parts = watch(model)
    state, outputs = full_bank(model, FULL + 1 + a.frames)
    about = {"who": "reference", "torch": torch.__version__, "variant": a.variant, "image_size": a.image_size, "threads": a.threads}
    timed = []
    for frame in range(FULL, FULL + 1 + a.frames):
        parts.clear()
        start = time.perf_counter()
        out, _ = track(model, state, outputs, frame)
        total = time.perf_counter() - start
        outputs["non_cond_frame_outputs"][frame] = out
        timed.append({"total": total, **parts, "rest": total - sum(parts.values())})
        if frame > FULL:
            print(json.dumps({**about, "frame": frame, **rounded(timed[-1])}), flush=True)
    timed = timed[1:]
    medians = {k: sorted(t[k] for t in timed)[len(timed) // 2] for k in timed[0]}
    print(json.dumps({**about, "median_of": len(timed), **rounded(medians)}), flush=True)


def rounded(seconds):
    return {k: round(v, 4) for k, v in seconds.items()}


def watch(model):
    """Returns a dict that fills with the seconds each part took."""
    parts = {}

    def timed(name, call):
        def wrapper(*args, **kwargs):
            start = time.perf_counter()
            result = call(*args, **kwargs)
            parts[name] = time.perf_counter() - start
            return result

        return wrapper

    model.forward_image = timed("encoder", model.forward_image)
    model.memory_attention.forward = timed("memory_attention", model.memory_attention.forward)
    return parts


def full_bank(model, frames):
    """Prompts a video of noise with a box, tracks one frame, and lets its output stand for all up to FULL - 1."""
    import numpy as np
    from PIL import Image

    with tempfile.TemporaryDirectory() as folder:
        noise = np.random.default_rng(0).integers(0, 256, (360, 640, 3), dtype=np.uint8)
        Image.fromarray(noise).save(os.path.join(folder, "0.jpg"))
        state = model.init_state(folder)
    state["images"] = state["images"].expand(frames, -1, -1, -1)
    state["num_frames"] = frames
    model.add_new_points_or_box(state, 0, 0, box=[200, 100, 400, 250])
    model.propagate_in_video_preflight(state)
    outputs = state["output_dict_per_obj"][0]
    out, _ = track(model, state, outputs, 1)
    for frame in range(1, FULL):
        outputs["non_cond_frame_outputs"][frame] = out
    return state, outputs


def track(model, state, outputs, frame):
    """Tracks one frame as propagate_in_video does."""
    import torch

    with torch.inference_mode():
        return model._run_single_frame_inference(
            inference_state=state,
            output_dict=outputs,
            frame_idx=frame,
            batch_size=1,
            is_init_cond_frame=False,
            point_inputs=None,
            mask_inputs=None,
            reverse=False,
            run_mem_encoder=True,
        )


if __name__ == "__main__":
    main()
