"""The reference implementations on a CPU, with weights that anybody can make again.

`weights(model, seed)` is the random checkpoint of `tachi model init`, bit for bit: every element comes from its tensor's
name, its index and the seed, so no weights need to be committed or downloaded. `build` instantiates the official classes
from the checkout's own YAML, changed under its own dotted keys. `wide()` runs them in float64 throughout: the modules ask
for float32 in a few places (position encodings, rotations, the neck's top-down sum) and get float64 instead.
Nothing of the arithmetic is changed.
"""

import contextlib
import math
import os
import sys
import types

import numpy as np
import torch

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
EMBEDDINGS = ("embed", "token", "tpos_enc", "no_obj_ptr", "no_mem")


def generate(name, shape, seed):
    """Returns the tensor that the generator makes for an official name: splitmix64, uniform, scaled by kind."""
    state = 0xCBF29CE484222325
    for byte in name.encode():
        state = ((state ^ byte) * 0x100000001B3) % 2**64
    state ^= seed * int(GOLDEN) % 2**64
    with np.errstate(over="ignore"):
        z = np.uint64(state) + np.arange(1, math.prod(shape) + 1, dtype=np.uint64) * GOLDEN
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    unit = (z >> np.uint64(40)).astype(np.float32) / np.float32(2**23) - np.float32(1)
    scale, centre = spread(name, shape)
    return torch.from_numpy((unit * scale + centre).astype(np.float32).reshape(shape))


def spread(name, shape):
    """Returns half the width and the centre of a tensor's values."""
    last_two = ".".join(name.split(".")[-2:])
    scale, centre = 0.0, 0.0
    if name.endswith(".bias"):
        scale = 0.02
    elif len(shape) == 1 and name.endswith(".weight"):
        scale, centre = 0.1, 1.0
    elif name.endswith("gamma"):
        scale = 0.1
    elif name.endswith("positional_encoding_gaussian_matrix"):
        scale = 1.0
    elif "patch_embed.proj" not in name and any(word in last_two for word in EMBEDDINGS):
        scale = 0.5
    else:
        scale = math.sqrt(3 / math.prod(shape[1:]))
    return np.float32(scale), np.float32(centre)


def use(checkout):
    """Makes `import sam2` mean this checkout; SAMURAI keeps its fork one folder further down."""
    nested = os.path.join(checkout, "sam2", "sam2")
    sys.path.insert(0, os.path.dirname(nested) if os.path.isdir(nested) else checkout)
    # The fork imports a logger that it never calls.
    sys.modules.setdefault("loguru", types.ModuleType("loguru")).logger = None
    torch.set_num_threads(2)
    torch.manual_seed(0)


def build(yaml, override, seed, extra=None, changed=None):
    """Returns the official predictor for a YAML of the checkout, dotted overrides, and generated weights with a few changed."""
    import sam2
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    cfg = OmegaConf.load(os.path.join(os.path.dirname(sam2.__file__), "configs", yaml)).model
    for key, value in {**override, **POSTPROCESSING, **(extra or {})}.items():
        OmegaConf.update(cfg, key, value, force_add=True)
    cfg._target_ = "sam2.sam2_video_predictor.SAM2VideoPredictor"
    OmegaConf.resolve(cfg)
    model = instantiate(cfg, _recursive_=True).eval()
    state = {name: generate(name, tuple(t.shape), seed) for name, t in model.state_dict().items()}
    state.update(changed or {})
    model.load_state_dict(state, strict=True)
    return model


def heads(config):
    """Returns the last layers of the heads, generated and then scaled and shifted as a configuration says.

    Untouched, a random network is never sure of anything; these make its scores cross every threshold of the rules.
    """
    shapes = {"pred_obj_score_head": (1, 256), "iou_prediction_head": (4, 256), "output_hypernetworks_mlps": (32, 256)}
    out = {}
    for name, change in config["heads"].items():
        shape = shapes[name.split(".")[1]]
        made = generate(name, shape if name.endswith("weight") else shape[:1], config["seed"])
        out[name] = made * change.get("scale", 1) + torch.tensor(change.get("shift", [0.0]), dtype=torch.float32)
    return out


# What build_sam2_video_predictor sets by default; holes are never filled on a CPU.
POSTPROCESSING = {
    "sam_mask_decoder_extra_args.dynamic_multimask_via_stability": True,
    "sam_mask_decoder_extra_args.dynamic_multimask_stability_delta": 0.05,
    "sam_mask_decoder_extra_args.dynamic_multimask_stability_thresh": 0.98,
    "binarize_mask_from_pts_for_mem_enc": True,
    "fill_hole_area": 0,
}


@contextlib.contextmanager
def wide():
    """Within it, new tensors and everything that asks for float32 are float64."""
    saved = torch.float32, torch.float, torch.Tensor.float
    torch.float32 = torch.float = torch.float64
    torch.Tensor.float = torch.Tensor.double
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.float32, torch.float, torch.Tensor.float = saved
        torch.set_default_dtype(saved[0])
