"""Tracked frames of the reduced network under the rules of one checkout, for every run of reduced.json.

    golden_tracks.py CHECKOUT      (called by golden.py)

Writes NAME.safetensors (low-resolution logits and object pointers per frame) and NAME.json (everything that was
decided: candidates, scores, choice, box, filter, memories and pointers that were read). What the predictor reads is
observed from outside: its stored outputs are replaced by dicts that note which of their entries are asked for.
"""

import contextlib
import json
import math
import os
import sys
import tempfile

import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file

import reference
from frames import make_frames

HERE = os.path.dirname(os.path.abspath(__file__))


class Noted(dict):
    """A stored output that notes when a later frame reads its memory or its pointer."""

    def __init__(self, frame, out, log):
        super().__init__(out)
        self.frame, self.log = frame, log

    def __getitem__(self, key):
        if key in ("maskmem_features", "obj_ptr"):
            self.log[key].append(self.frame)
        return super().__getitem__(key)


class Observer:
    """Follows one run of a predictor and writes down what it decides on each frame."""

    def __init__(self, model):
        self.model = model
        self.rules = "samurai" if getattr(model, "samurai_mode", False) else "sam2"
        self.log = {"maskmem_features": [], "obj_ptr": []}
        self.hooks = [
            model.sam_mask_decoder.register_forward_hook(self.decoded),
            model.obj_ptr_proj.register_forward_pre_hook(self.chosen),
            model.memory_attention.register_forward_pre_hook(self.attended, with_kwargs=True),
        ]
        self.frames, self.logits, self.pointers = [], [], []
        self.before = 0  # stable frames after the frame before
        self.begin()

    def begin(self):
        """Starts a frame."""
        m = self.model
        self.now = {"stage": "", "memories": [], "pointers": []}
        self.log["maskmem_features"].clear()
        self.log["obj_ptr"].clear()
        if getattr(m, "kf_mean", None) is not None:
            self.predicted = m.kf.predict(m.kf_mean, m.kf_covariance)[0]
        self.fresh = getattr(m, "kf_mean", None) is None or getattr(m, "stable_frames", 0) == 0

    def decoded(self, module, inputs, output):
        """Notes the decoder's candidates."""
        masks, ious, self.tokens, logit = output
        self.masks = masks[0].clone()
        self.now |= {"ious": ious[0].tolist(), "object_logit": logit.item(), "multimask": ious.shape[1] > 1}

    def chosen(self, module, inputs):
        """Tells the choice by the token that the pointer is made of, and the filter's stage by its state before."""
        distance = (self.tokens[0] - inputs[0]).abs().amax(-1)
        self.now["chosen"] = int(distance.argmin())
        if self.rules == "samurai" and self.now["multimask"]:
            m = self.model
            self.now["stage"] = "start" if self.fresh else "motion"
            if not self.fresh and self.before < m.stable_frames_threshold:
                self.now["stage"] = "warm-up"

    def attended(self, module, args, kwargs):
        """Tells the temporal encoding of each memory by what was added to the spatial one."""
        hw = kwargs["curr"][0].shape[0]
        table = self.model.maskmem_tpos_enc[:, 0, 0]
        side = math.isqrt(hw)
        spatial = self.model.memory_encoder.position_encoding(torch.zeros(1, table.shape[1], side, side))
        spatial = spatial.flatten(2).permute(2, 0, 1)
        for i, frame in enumerate(self.log["maskmem_features"]):
            added = (kwargs["memory_pos"][i * hw : (i + 1) * hw] - spatial).mean(0)[0]
            self.now["memories"].append([frame, int((table - added).abs().amax(-1).argmin())])
        self.now["pointers"] = list(self.log["obj_ptr"])

    def end(self, frame, out, high):
        """Ends a frame with its stored output and its logits at the video's resolution."""
        m = self.model
        score = out.get("kf_score")
        if not isinstance(score, torch.Tensor):
            score = None
        rows, columns = torch.where(high > 0)
        box = [0, 0, 0, 0]
        if len(rows):
            x, y = columns.min().item(), rows.min().item()
            box = [x, y, columns.max().item() - x, rows.max().item() - y]
        self.now |= {"frame": frame, "box": box, "kf_score": None if score is None else float(score)}
        if self.now["stage"] == "motion":
            self.now["weighted"] = self.weighted()
        self.now["stable_frames"] = getattr(m, "stable_frames", 0)
        self.now["pixels"] = int(len(rows))
        self.frames.append(self.now)
        self.logits.append(out["pred_masks"][0, 0].detach().double())
        self.pointers.append(dict.__getitem__(out, "obj_ptr")[0].detach().double())
        self.before = getattr(m, "stable_frames", 0)
        self.begin()

    def weighted(self):
        """The scores that motion and predicted IoU give together, from the filter's prediction and the blanked masks."""
        m = self.model
        appears = self.now["object_logit"] > m.min_obj_score_logits
        boxes = []
        for mask in self.masks if appears else torch.full_like(self.masks, -1024.0):
            high = F.interpolate(mask[None, None], size=(m.image_size,) * 2, mode="bilinear", align_corners=False)[0, 0]
            y, x = torch.where(high > 0)
            boxes.append([x.min().item(), y.min().item(), x.max().item(), y.max().item()] if len(x) else [0, 0, 0, 0])
        motion = m.kf.compute_iou(self.predicted[:4], boxes)
        w = m.kf_score_weight
        return [w * float(s) + (1 - w) * iou for s, iou in zip(motion, self.now["ious"])]

    def close(self):
        for hook in self.hooks:
            hook.remove()


def track(model, clip, prompt):
    """Tracks the clip from a prompt on frame 0."""
    state = model.init_state(clip)
    if next(model.parameters()).dtype == torch.float64:
        state["images"] = state["images"].double()
    if hasattr(model, "kf_mean"):  # nothing else resets the fork's filter between videos
        model.kf_mean = model.kf_covariance = None
        model.stable_frames = 0
    seen = Observer(model)
    if "mask" in prompt:
        x0, y0, x1, y1 = prompt["mask"]
        mask = torch.zeros(state["video_height"], state["video_width"], dtype=torch.bool)
        mask[y0:y1, x0:x1] = True
        model.add_new_mask(state, 0, 0, mask)
    elif "box" in prompt:
        model.add_new_points_or_box(state, 0, 0, box=prompt["box"])
    else:
        model.add_new_points_or_box(state, 0, 0, points=[prompt["point"]], labels=[1])
    outputs = state["output_dict"] if "output_dict" in state else state["output_dict_per_obj"][0]
    for frame, _, high in model.propagate_in_video(state):
        kind = "cond_frame_outputs" if frame in outputs["cond_frame_outputs"] else "non_cond_frame_outputs"
        outputs[kind][frame] = out = Noted(frame, outputs[kind][frame], seen.log)
        if "mask" in prompt and frame == 0:
            seen.now |= {"ious": [1.0], "multimask": False, "chosen": 0}
            seen.now["object_logit"] = dict.__getitem__(out, "object_score_logits").item()
        seen.end(frame, out, high[0, 0])
    seen.close()
    return seen


def margins(seen, model):
    """Returns how far each kind of decision of a run was from going the other way, at its closest."""
    low, samurai = {}, seen.rules == "samurai"

    def note(name, distance):
        low[name] = min(low.get(name, math.inf), distance)

    for f, logits in zip(seen.frames, seen.logits):
        note("object > 0", abs(f["object_logit"]))
        if samurai:
            note("object > -1", abs(f["object_logit"] + 1))
        if f["multimask"]:
            decide = f["weighted"] if f["stage"] == "motion" else f["ious"]
            note("choice", sorted(decide)[-1] - sorted(decide)[-2])
        if samurai and f["frame"] > 0:
            note("iou > 0.3", abs(f["ious"][f["chosen"]] - model.stable_ious_threshold))
            note("iou > 0.5", abs(f["ious"][f["chosen"]] - model.memory_bank_iou_threshold))
    return low


def check_decisions(name, seen, exact, margin):
    """Every decision has room, and float64 takes the same ones."""
    assert min(margin.values()) > 1e-3, (name, margin)
    for a, b in zip(seen.frames, exact.frames):
        for key in ("chosen", "box", "stage", "stable_frames", "memories", "pointers"):
            assert a[key] == b[key], (name, a["frame"], key, a[key], b[key])
        assert abs(a["pixels"] - b["pixels"]) <= 2, (name, a["frame"], a["pixels"], b["pixels"])
        if a["kf_score"] is not None:
            assert abs(a["kf_score"] - b["kf_score"]) < 1e-6, (name, a, b)


def check_coverage(runs):
    """The SAMURAI runs together went through everything that the rules tell apart."""
    frames = [f for r in runs.values() for f in r["frames"] if f["frame"] > 0]
    logits = [f["object_logit"] for f in frames]
    ious = [f["ious"][f["chosen"]] for f in frames]
    saw = {
        "object logit <= -1": any(x <= -1 for x in logits),
        "object logit in (-1, 0]": any(-1 < x <= 0 for x in logits),
        "object logit > 0": any(x > 0 for x in logits),
        "IoU < 0.3": any(x < 0.3 for x in ious),
        "IoU in (0.3, 0.5)": any(0.3 < x < 0.5 for x in ious),
        "IoU > 0.5": any(x > 0.5 for x in ious),
        "motion changes the choice": any(f["stage"] == "motion" and f["chosen"] != first_max(f["ious"]) for f in frames),
        "motion score 0": any(f["kf_score"] == 0 for f in frames),
        "motion score > 0": any((f["kf_score"] or 0) > 0 for f in frames),
        "15 warm-up frames, then motion": "motion" in [f["stage"] for f in runs["box"]["frames"]],
    }
    for stage in ("start", "warm-up", "motion"):
        saw[f"stage {stage}"] = any(f["stage"] == stage for f in frames)
    for run in runs.values():
        valid = []
        for a, b, c in zip(run["frames"][1:], run["frames"][2:], run["frames"][3:]):
            last, then = [[i for i, _ in f["memories"] if i > 0] for f in (b, c)]
            good = a["ious"][a["chosen"]] > 0.5 and a["object_logit"] > 0 and (a["kf_score"] is None or a["kf_score"] > 0)
            if good and a["frame"] > 1:
                valid.append(a["frame"])
            elif a["frame"] in last and len(valid) >= 6:
                saw["invalid newest, full bank"] = True
                saw["and it evicts nothing"] = saw.get("and it evicts nothing") or last[0] in then and a["frame"] not in then
            if a["stage"] == "warm-up" and b["stage"] == "start":
                saw["reset in warm-up"] = True
            if a["stage"] == "motion" and b["stage"] == "start":
                saw["reset in motion"] = True
            if len(valid) > 6:
                saw["a seventh valid memory"] = valid[-7] not in last
    for name in ("invalid newest, full bank", "and it evicts nothing", "reset in motion", "a seventh valid memory"):
        saw.setdefault(name, False)
    print("samurai saw:", ", ".join(saw))
    missing = [name for name, ok in saw.items() if not ok]
    assert not missing, missing


@contextlib.contextmanager
def pictures(clip):
    """A folder of the clip's frames, for as long as it is used."""
    with tempfile.TemporaryDirectory() as folder:
        for t, rgb in enumerate(clip):
            # The loader goes by the name, Pillow by the content: PNG keeps the pixels.
            Image.fromarray(rgb).save(os.path.join(folder, f"{t}.jpg"), format="PNG")
        yield folder


def twice(name, build, folder, prompt):
    """Tracks in float64 and in float32, which must decide alike. Returns the float32 run and what is written of it."""
    with reference.wide():
        exact = track(build().double(), folder, prompt)
    model = build()
    seen = track(model, folder, prompt)
    logits, wide = torch.stack(seen.logits), torch.stack(exact.logits)
    spread = (wide.amax((1, 2)) - wide.amin((1, 2))).clamp(min=1e-9)
    drift = ((logits - wide).abs().amax((1, 2)) / spread).max().item()
    margin = margins(seen, model)
    print(f"{name}: drift {drift:.1e}", {k: f"{v:.1e}" for k, v in margin.items()})
    check_decisions(name, seen, exact, margin)
    return seen, {"float32_drift": drift, "margins": margin, "frames": seen.frames}


def first_max(values):
    return values.index(max(values))


def main(checkout):
    reference.use(checkout)
    with open(os.path.join(HERE, "reduced.json")) as f:
        config = json.load(f)
    heads = reference.heads(config)
    samurai = os.path.isdir(os.path.join(checkout, "sam2", "sam2"))
    name = "samurai" if samurai else "sam2"
    yaml = "samurai/sam2.1_hiera_t.yaml" if samurai else "sam2.1/sam2.1_hiera_t.yaml"
    runs, tensors = {}, {}
    clip = make_frames(max(run["frames"] for run in config["runs"]))
    for run in config["runs"]:
        extra = dict(run["samurai"]) if samurai else {}
        extra |= {f"sam_mask_decoder_extra_args.{key}": v for key, v in run.get("masks", {}).items()}
        build = lambda: reference.build(yaml, config["override"], config["seed"], extra, heads)
        with pictures(clip[: run["frames"]]) as folder:
            seen, runs[run["name"]] = twice(f"{name} {run['name']}", build, folder, run["prompt"])
        tensors[f"{run['name']}/logits"] = torch.stack(seen.logits).float()
        tensors[f"{run['name']}/pointers"] = torch.stack(seen.pointers).float()
    if samurai:
        check_coverage(runs)
    else:
        tensors["clip"] = torch.from_numpy(clip)
    save_file(tensors, os.path.join(HERE, f"{name}.safetensors"))
    with open(os.path.join(HERE, f"{name}.json"), "w") as f:
        f.write(json.dumps(runs).replace('{"stage"', '\n{"stage"'))


if __name__ == "__main__":
    main(sys.argv[1])
