"""Times PyTorch's SAM 2 on one tracked frame with a full memory bank, in bf16 on a GPU, and what the GPU can do at most.

    gpu.py --sam2 CHECKOUT [--variant tiny] [--what eager,default,graphs,autotune,transformers,ceilings] [--frames 30]
    gpu.py --write-frames FOLDER [--count 47]

The video is a folder of JPEG files, made up, or any other given with --video. The official predictor loads it with the
video offloaded to the CPU and propagates a box through it; frames count from where the bank is full: the prompt's memory,
six recent ones and sixteen pointers. Weights are random, the same as `tachi model init` makes. Each of --what runs in a
process of its own, which may take --seconds, compilation included, and prints one JSON object (on a CPU in float32, to try
this file out):

    eager         autocast to bf16, TF32 elsewhere, as the project's own benchmark.py does
    default       its SAM2VideoPredictorVOS with the image encoder compiled as well, in torch.compile's default mode
    graphs        the same in mode reduce-overhead: CUDA graphs
    autotune      the same in mode max-autotune, which is what the checkout asks for; compiles for minutes
    transformers  transformers' Sam2VideoModel, all of it in bf16
    ceilings      a bf16 product of 8192 x 8192 x 8192, and a copy on the device: bytes read and bytes written

What an object holds: frame_ms, the median of a frame as propagate_in_video yields it, upload included and the device
waited for; loop_ms, the same loop waited for only at its end, per frame; resident_ms, loop_ms with the whole video on the
device beforehand; track_ms without the masks at the video's size; encoder_ms and memory_attention_ms alone. peak_bytes is
max_memory_allocated of the timed frames with the video offloaded. Without weights_bytes it is activation_bytes, in which
there are up to cast_bytes of weights in bf16 that autocast keeps. masks_mean_iou is the overlap of eager's masks with the
same predictor's in float32.

Beside torch and torchvision, the checkout wants hydra-core, omegaconf, antlr4-python3-runtime 4.9 and iopath, all pure
Python, and what they want themselves: PyYAML, packaging, portalocker, tqdm, typing_extensions. So do numpy and pillow,
which this file needs. transformers stands in where the checkout is missing: --what transformers.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "stages", "internal", "sam2", "testdata"))

YAML = {"tiny": "t", "small": "s", "base_plus": "b+", "large": "l"}
FULL = 16  # frames back to the oldest pointer that is read
MODES = {"default": "default", "graphs": "reduce-overhead", "autotune": "max-autotune"}
BOX = (200, 100, 400, 250)  # x0, y0, x1, y1 of what is tracked


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--sam2", help="checkout of facebookresearch/sam2")
    p.add_argument("--variant", default="tiny", choices=YAML)
    p.add_argument("--what", default="eager,default,graphs,ceilings", help="what to measure, in turn")
    p.add_argument("--video", help="folder of JPEG files; made up without")
    p.add_argument("--device", default="cuda")
    p.add_argument("--image-size", type=int, default=1024)
    p.add_argument("--frames", type=int, default=30, help="frames to time, after those that fill the bank")
    p.add_argument("--seconds", "--compile-seconds", type=int, default=240, help="that one of them may take")
    p.add_argument("--seed", type=int, default=7)
    p.add_argument("--here", action="store_true", help=argparse.SUPPRESS)  # a child: measure in this process
    p.add_argument("--write-frames", metavar="FOLDER", help="write the video there and do nothing else")
    p.add_argument("--count", type=int, help="frames of the video")
    a = p.parse_args()
    count = a.count or FULL + 1 + a.frames
    if a.write_frames:
        return write_frames(a.write_frames, count)
    if a.here:
        return measure(a)
    bad = False
    with tempfile.TemporaryDirectory() as folder:
        if not a.video:
            a.video = folder
            write_frames(folder, count)
        for what in a.what.split(","):
            bad = not child(a, what) or bad
    sys.exit(bad)


def child(a, what):
    """Measures in a process that can be given up, and says whether it went well."""
    args = [sys.executable, os.path.abspath(__file__), "--here", "--what", what, "--variant", a.variant, "--video", a.video,
            "--device", a.device, "--image-size", str(a.image_size), "--frames", str(a.frames), "--seed", str(a.seed)]
    if a.sam2:
        args += ["--sam2", a.sam2]
    quiet = {**os.environ, "TQDM_DISABLE": "1"}
    error, start = "", time.monotonic()
    try:
        run = subprocess.run(args, stdout=subprocess.PIPE, text=True, env=quiet, timeout=a.seconds)
        lines = [line for line in run.stdout.splitlines() if line.startswith('{"who"')]
        if run.returncode == 0 and lines:
            print(lines[-1], flush=True)
            return True
        error = f"exit code {run.returncode}"
    except subprocess.TimeoutExpired:
        error = f"not done after {a.seconds} s"
    print(json.dumps({"who": what, "variant": a.variant, "error": error, "seconds": round(time.monotonic() - start, 1)}), flush=True)
    return False


def write_frames(folder, count):
    """Writes a made-up video: a patch of one texture moves before another one that is panned."""
    import numpy as np
    from PIL import Image

    os.makedirs(folder, exist_ok=True)
    rng = np.random.default_rng(0)

    def texture(w, h):
        return np.asarray(Image.fromarray(rng.integers(0, 256, (h // 8, w // 8, 3), dtype=np.uint8)).resize((w, h), Image.BICUBIC))

    far, near = texture(800, 480), texture(200, 152)
    for i in range(count):
        x, y = abs(i % 240 - 120), i % 60
        frame = far[y:][:360, x:][:, :640].copy()
        frame[100 + y // 4 :][:150, 200 + x // 4 :][:, :200] = near[:150]
        Image.fromarray(frame).save(os.path.join(folder, f"{i:05d}.jpg"), quality=90)


def measure(a):
    import torch

    wait = torch.cuda.synchronize if a.device == "cuda" else lambda: None
    about = {"who": a.what, "variant": a.variant, "torch": torch.__version__, "image_size": a.image_size,
             "device": torch.cuda.get_device_name() if a.device == "cuda" else a.device}
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    start = time.monotonic()
    with contextlib.redirect_stdout(sys.stderr):
        run = {"ceilings": ceilings, "transformers": transformers}.get(a.what, official)
        found = run(a, torch, wait)
    print(json.dumps({**about, **found, "seconds": round(time.monotonic() - start, 1)}), flush=True)


def official(a, torch, wait):
    """Measures the checkout's own predictor."""
    import reference

    if not a.sam2:
        raise SystemExit("--sam2: where is the checkout?")
    reference.use(a.sam2)
    torch.set_num_threads(os.cpu_count())
    model = reference.build(f"sam2.1/sam2.1_hiera_{YAML[a.variant]}.yaml", {"image_size": a.image_size}, a.seed)
    model = model.to(a.device)
    if a.what != "eager":
        compiled(model, MODES[a.what], torch)
    with torch.inference_mode(), torch.autocast(a.device, dtype=torch.bfloat16, enabled=a.device == "cuda"):
        state = model.init_state(a.video, offload_video_to_cpu=True)
        model.add_new_points_or_box(state, 0, 0, box=list(BOX))
        frames = state["num_frames"]
        found = {"weights_bytes": size(model), "cast_bytes": size(model, 2), "frames": frames - FULL - 1}

        def loop():
            return (frame for frame, *_ in model.propagate_in_video(state))

        warm = time.monotonic()
        for _ in range(1 if a.what == "eager" else 2):  # the second records what the first has compiled
            drain(loop())
        wait()
        found["warm_up_seconds"] = round(time.monotonic() - warm, 1)
        timed(found, loop, torch, wait, a)

        seen = watch(model)
        outputs, track = state["output_dict_per_obj"][0], []
        for frame in range(FULL + 1, frames):
            start = time.perf_counter()
            model._run_single_frame_inference(
                inference_state=state, output_dict=outputs, frame_idx=frame, batch_size=1, is_init_cond_frame=False,
                point_inputs=None, mask_inputs=None, reverse=False, run_mem_encoder=True)
            wait()
            track.append(1e3 * (time.perf_counter() - start))
        found["track_ms"] = statistics.median(track)

        image = state["images"][FULL].to(a.device)[None]
        found["encoder_ms"] = alone(lambda: model.forward_image(image), torch, wait, a.frames)
        attend = clone(seen["memory_attention"], torch)
        found["memory_attention_ms"] = alone(lambda: model.memory_attention.forward(**attend), torch, wait, a.frames)
        found["memory_tokens"] = attend["memory"].shape[0]
        if a.device == "cuda":
            state["images"] = state["images"].to(a.device)
            drain(loop())
            found["resident_ms"] = whole(loop, wait)
        if a.what == "eager":
            agreement(found, model, state, torch, a)
    return rounded(found)


def agreement(found, model, state, torch, a):
    """Notes how far the masks of the reference in bf16 overlap its own in float32."""
    def masks():
        return [mask > 0 for _, _, mask in model.propagate_in_video(state)]

    rough = masks()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    with torch.autocast(a.device, enabled=False):
        model.reset_state(state)  # the prompt is encoded again, as in a run of its own
        state["cached_features"].clear()
        model.add_new_points_or_box(state, 0, 0, box=list(BOX))
        fine = masks()
    ious = [((p & q).sum() / (p | q).sum()).item() for p, q in zip(rough, fine) if (p | q).any()]
    if ious:
        found["masks_mean_iou"], found["masks_worst_iou"] = statistics.mean(ious), min(ious)


def compiled(model, mode, torch):
    """Makes the model the checkout's compiled one, in a mode of torch.compile of our choice."""
    from sam2.sam2_video_predictor import SAM2VideoPredictorVOS

    real = torch.compile
    torch.compile = lambda f, **how: real(f, **{**how, "mode": mode})
    model.__class__ = SAM2VideoPredictorVOS  # it differs in methods alone
    model._compile_all_components()
    # What SAM2Base does with compile_image_encoder, which that class is built with.
    model.image_encoder.forward = torch.compile(model.image_encoder.forward, fullgraph=True, dynamic=False)
    torch.compile = real


def watch(model):
    """Returns a dict that holds the arguments of the last call of memory attention."""
    seen, call = {}, model.memory_attention.forward

    def wrapper(**kwargs):
        seen["memory_attention"] = kwargs
        return call(**kwargs)

    model.memory_attention.forward = wrapper
    return seen


def transformers(a, torch, wait):
    """Measures transformers' model, whose weights are in bf16 and random in its own way."""
    import numpy as np
    from PIL import Image
    from transformers import Sam2VideoConfig, Sam2VideoModel
    from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

    shapes = {
        "tiny": {},
        "large": {"hidden_size": 144, "num_attention_heads": 2, "blocks_per_stage": [2, 6, 36, 4], "embed_dim_per_stage": [144, 288, 576, 1152],
                  "num_attention_heads_per_stage": [2, 4, 8, 16], "window_size_per_stage": [8, 4, 16, 8], "global_attention_blocks": [23, 33, 43]},
    }
    dtype = torch.bfloat16 if a.device == "cuda" else torch.float32
    config = Sam2VideoConfig()
    for key, value in shapes[a.variant].items():
        setattr(config.vision_config.backbone_config, key, value)
    if a.variant == "large":
        config.vision_config.backbone_channel_list = [1152, 576, 288, 144]
    model = Sam2VideoModel(config).to(device=a.device, dtype=dtype).eval()
    mean, std = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
    pictures = [Image.open(os.path.join(a.video, f)) for f in sorted(os.listdir(a.video))]
    width, height = pictures[0].size
    video = np.stack([(np.asarray(f.resize((1024, 1024))) / np.float32(255) - mean) / std for f in pictures])
    video = torch.from_numpy(video).permute(0, 3, 1, 2).contiguous()
    corners = torch.tensor(BOX, dtype=torch.float32).view(1, 1, 2, 2) * torch.tensor([1024 / width, 1024 / height])

    with torch.inference_mode():
        session = Sam2VideoInferenceSession(video=video, video_height=height, video_width=width, inference_device=a.device,
                                            inference_state_device=a.device, video_storage_device="cpu", dtype=dtype)
        index = session.obj_id_to_idx(1)
        session.add_point_inputs(index, 0, {"point_coords": corners.to(a.device), "point_labels": torch.tensor([[[2, 3]]], device=a.device)})
        session.obj_with_new_inputs = [1]
        model(session, frame_idx=0)
        found = {"weights_bytes": size(model), "cast_bytes": 0, "frames": len(video) - FULL - 1}

        def loop():
            return (out.frame_idx for out in model.propagate_in_video_iterator(session))

        drain(loop())
        wait()
        timed(found, loop, torch, wait, a)
        image = video[FULL].to(a.device, dtype)[None]
        found["encoder_ms"] = alone(lambda: model.vision_encoder(image), torch, wait, a.frames)
    return rounded(found)


def timed(found, loop, torch, wait, a):
    """Times a loop over all frames, and notes the memory it takes."""
    if a.device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    each, last = [], time.perf_counter()
    for frame in loop():
        wait()
        now = time.perf_counter()
        if frame > FULL:
            each.append(1e3 * (now - last))
        last = now
    found["frame_ms"], found["frame_p90_ms"] = statistics.median(each), sorted(each)[len(each) * 9 // 10]
    found["loop_ms"] = whole(loop, wait)
    if a.device == "cuda":
        found["peak_bytes"] = torch.cuda.max_memory_allocated()
        found["reserved_bytes"] = torch.cuda.max_memory_reserved()
        found["activation_bytes"] = found["peak_bytes"] - found["weights_bytes"]


def whole(loop, wait):
    """Returns the milliseconds of a frame with a full bank, with the device waited for at both ends alone."""
    start, n = 0.0, 0
    for frame in loop():
        if frame == FULL:
            wait()
            start = time.perf_counter()
        n += frame > FULL
    wait()
    return 1e3 * (time.perf_counter() - start) / n


def alone(call, torch, wait, n):
    """Returns the median of one call, in milliseconds."""
    times = []
    for i in range(n + 5):
        torch.compiler.cudagraph_mark_step_begin()
        wait()
        start = time.perf_counter()
        call()
        wait()
        if i >= 5:
            times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def ceilings(a, torch, wait):
    n, bytes_ = (8192, 2 << 30) if a.device == "cuda" else (512, 64 << 20)
    x, y = (torch.randn(n, n, device=a.device, dtype=torch.bfloat16 if a.device == "cuda" else torch.float32) for _ in range(2))
    src = torch.randint(0, 255, (bytes_,), device=a.device, dtype=torch.uint8)
    dst = torch.empty_like(src)
    host = torch.randn(3, 1024, 1024)
    product = alone(lambda: torch.mm(x, y), torch, wait, 20)
    copy = alone(lambda: dst.copy_(src), torch, wait, 20)
    found = {"product_tflops": 2 * n**3 / product / 1e9, "copy_gbs": 2 * bytes_ / copy / 1e6,
             "frame_upload_ms": alone(lambda: host.to(a.device, copy=True), torch, wait, 20)}  # as the checkout keeps a frame: not pinned
    if a.device == "cuda":
        wide, other = x.float(), y.float()
        torch.backends.cuda.matmul.allow_tf32 = False
        found["product_f32_tflops"] = 2 * n**3 / alone(lambda: torch.mm(wide, other), torch, wait, 5) / 1e9
        found["memory_bytes"] = torch.cuda.get_device_properties(0).total_memory
    return rounded(found)


def drain(frames):
    for _ in frames:
        pass


def clone(kwargs, torch):
    """Copies tensors, also those in lists: a recorded graph writes its results to the same place again."""
    def one(v):
        if isinstance(v, (list, tuple)):
            return [one(x) for x in v]
        return v.clone() if isinstance(v, torch.Tensor) else v

    return {k: one(v) for k, v in kwargs.items()}


def size(model, bytes_=None):
    """Returns the bytes of a model's weights, or of its parameters with so many bytes for each element."""
    if bytes_:
        return sum(t.numel() * bytes_ for t in model.parameters())
    return sum(t.numel() * t.element_size() for t in [*model.parameters(), *model.buffers()])


def rounded(found):
    return {k: round(v, 3) if isinstance(v, float) else v for k, v in found.items()}


if __name__ == "__main__":
    main()
