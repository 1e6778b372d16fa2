"""Trains nano, the network in the box, on the video of `tachi synth` and of natural.py.

    python -m venv venv && venv/bin/pip install -r requirements.txt
    git clone https://github.com/facebookresearch/sam2 && (cd sam2 && git checkout 2b90b9f5)
    venv/bin/python material.py --sequences sequences && venv/bin/python models.py --zip packages/0ad-data/usr/share/games/0ad/mods/public/public.zip
    venv/bin/python train.py --sam2 sam2 --tachi ../../../tachi --natural material/training --validation material/validation \
        --real material/validation/sequences --init ../nano.safetensors --half --workers 1 --minutes 480 --out nano.safetensors

Without --natural it sees procedural textures alone, and without --init it begins from nothing. Validation material, like the
sequences of --real, is for reading how far it is, and for nothing else.

Stages share the minutes. First the network segments single frames: a box, a click, or a mask of an object, and the object's
mask. Then it tracks as well: an object is prompted on the first of a few frames of a clip, up to three frames apart, and
followed through the memory, with gradients through all of them. Some of these excerpts start long before they go on, as in
a long clip. For the first part of the minutes it sees crops of half the side, which cost a quarter and look to it like
parts of whole frames (network.View); then mostly whole frames. The rules are those of the official trainer where they
matter: losses on the best candidate, the mask that goes into memory chosen by the predicted IoU, a hidden object teaches
its score alone.

Differences are deliberate. Token 0 and the three candidates are both supervised under a box, because the decoder falls
back from one to the others when a mask is unstable, which small masks are. The focal loss is a mean near the object. The
pointers' distances are those of long clips. In half of the steps the ground truth says whether an object is present.
Linear heads that are thrown away read off the inner maps what these should know (hints.py), matrices are trained with Muon
(muon.py), and cross attention starts where what belongs together matches (model.py): a network from nothing spends its
first thousands of steps on finding out that a prompt names a place, and with these it takes a few hundred.

Two processes of one thread share every batch: faster than one process of two threads, above all beside other work.
Rates follow the share of the minutes that has passed, so a run that is stopped goes on with --resume where it was, and
one that was too short goes on with --resume and more --minutes. The state, every two minutes, is in state/, the weights (an
average over the last thousand steps, in float16) are written at every evaluation, and log.jsonl has a line for each
(log.csv is the log of the weights in the box). Without the state, --init begins with such weights. While the file --pause
exists, it stands still. On a GPU: --device cuda --workers 1 --images 32 --clips 16.
"""

import argparse
import datetime
import json
import math
import os
import signal
import sys
import time

import numpy as np
import torch
from safetensors.torch import load_file
import torch.distributed as group
import torch.multiprocessing

import data
import evaluate
import hints
import losses
import model as nano
import muon
import network

HERE = os.path.dirname(os.path.abspath(__file__))


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--sam2", required=True, help="checkout of facebookresearch/sam2")
    p.add_argument("--tachi", required=True, help="the program, for its generator")
    p.add_argument("--out", default="nano.safetensors", help="weights to write")
    p.add_argument("--state", default=os.path.join(HERE, "state"), help="folder of the state")
    p.add_argument("--log", default=os.path.join(HERE, "log.jsonl"))
    p.add_argument("--natural", help="folder of material for natural.py (material.py makes it)")
    p.add_argument("--share", type=float, default=0.8, help="of natural clips among all")
    p.add_argument("--validation", help="folder of other material, to evaluate on")
    p.add_argument("--real", help="folder of real sequences to evaluate on")
    p.add_argument("--pause", help="while this file exists, the training stands still")
    p.add_argument("--minutes", type=float, default=60, help="of training in all, over every resumption")
    p.add_argument("--until", help="stop at this time of day, HH:MM UTC, whatever is left")
    p.add_argument("--resume", action="store_true", help="go on from the state")
    p.add_argument("--init", help="weights to begin with where there is no state, as train.py wrote them")
    p.add_argument("--first", type=float, default=0.3, help="share of the minutes for single frames")
    p.add_argument("--small", type=float, default=0.6, help="share of the minutes for crops of half the side alone")
    p.add_argument("--images", type=int, default=8, help="crops of a step on single frames, for each worker")
    p.add_argument("--clips", type=int, default=3, help="clips of a step on crops of four frames, for each worker")
    p.add_argument("--whole", type=float, default=0.5, help="as many whole frames as this share of the crops")
    p.add_argument("--adam", action="store_true", help="AdamW for matrices too")
    p.add_argument("--prompts", type=int, default=4, help="objects prompted in each of these frames")
    p.add_argument("--objects", type=int, default=2, help="objects prompted in each clip")
    p.add_argument("--rate", type=float, default=2e-3, help="highest learning rate")
    p.add_argument("--fall", type=float, default=0.4, help="share of the minutes over which the rate falls at the end")
    p.add_argument("--pool", type=int, default=450, help="clips that a worker holds in memory")
    p.add_argument("--uses", type=float, default=8, help="how often a clip is drawn on the average before a new one takes its place")
    p.add_argument("--frames", type=int, default=16, help="frames of a clip")
    p.add_argument("--every", type=float, default=8, help="minutes between evaluations")
    p.add_argument("--workers", type=int, default=2, help="processes of one thread, each with its own share of every batch")
    p.add_argument("--half", action="store_true", help="bfloat16 products, on a CPU that has instructions for them")
    p.add_argument("--device", default="cpu", help="cpu or cuda; a GPU wants --workers 1 and larger batches")
    return p.parse_args()


class Average:
    """An exponential average of the weights, short at first."""

    def __init__(self, own, model):
        self.model, self.steps = own, 0
        own.load_state_dict(model.state_dict())

    @torch.no_grad()
    def update(self, model, most=0.999):
        self.steps += 1
        keep = min(most, self.steps / (self.steps + 10))
        own = [p for p in self.model.parameters()]
        torch._foreach_lerp_(own, [p for p in model.parameters()], 1 - keep)


def optimisers(model, help, args, worker):
    """Muon for matrices; AdamW for what is left. Norms, biases, embeddings and tokens do not decay."""
    matrices, decay, plain = [], [], list(help.parameters())
    for n, p in model.named_parameters():
        if p.ndim < 2 or any(w in n for w in ("embed", "token", "no_", "tpos")):
            plain.append(p)
        elif args.adam or min(p.shape[0], p[0].numel()) < 16:
            decay.append(p)
        else:
            matrices.append((n, p))
    groups = [{"params": decay, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}]
    both = [torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98), fused=True)]
    return both + [muon.Muon(matrices, worker, args.workers, half=args.half)] if matrices else both


def rate(args, done, step):
    """The learning rate at a share of the minutes: a short warm-up, a plateau, and a fall to a fiftieth in the last part."""
    return args.rate * min(1, (step + 1) / 100) * min(1, 0.02 + 0.98 * max(1 - done, 0) / args.fall)


def prompts(rng, masks, kind, size, device):
    """Points for masks [N, S, S] that are not empty; None when the mask itself is the prompt."""
    if kind == "mask":
        return None
    if kind == "click":
        points = data.clicks(rng, masks)
    else:
        box = data.boxes(masks)
        points = data.box_points(data.jitter(rng, box, size) if rng.random() < 0.5 else box)
    return tuple(p.to(device) for p in points)


def place(model, rng, common, args, done):
    """Draws where the crops of a step lie. Returns their side, and the share of a full batch to take."""
    small = done < args.small or common.random() < 0.4
    side = model.image_size // 2 if small else model.image_size
    model.view.place(*(32 * rng.integers((model.image_size - side) // 32 + 1, size=2)), side)
    return side, 1 if small else args.whole


def hinted(done):
    """The weight of the hints: level, then falling to nothing at three quarters."""
    return min(1, max(0, 4 * (0.75 - done)))


def single_step(model, help, pool, rng, common, args, done):
    """The loss of a batch of single frames. What `common` draws is the same for every worker."""
    kind = common.choice(["box", "click", "mask"], p=[0.75, 0.15, 0.10])
    side, share = place(model, rng, common, args, done)
    rgb, masks, labels = data.batch(pool, rng, round(args.images * share), args.prompts, lambda rng, n: [int(rng.integers(n))], side)
    points = prompts(rng, masks[0], kind, side, args.device)
    rgb, masks, labels = (x.to(args.device) for x in (rgb, masks, labels))
    target = losses.targets(masks[0])
    with network.fast(args.device, args.half):
        feats, _, sizes = network.encode(model, nano.normalise(rgb[0]))
        scene = help.scene(network.maps(feats, sizes), labels[0])
        mask = model.mask_downsample(masks[0][:, None].float()) if kind == "mask" else None
        feats = [f.repeat_interleave(args.prompts, 1) for f in feats]
        out = network.still(model, feats, sizes, points, mask)
    loss, parts = losses.total(out, target, single=kind != "click")
    hint = help.object(target)
    return loss + hinted(done) * (scene + hint), {**parts, "scene": float(scene), "hint": float(hint), "frames": len(rgb[0])}


def excerpt(common, length, done):
    """Draws the frames of a training excerpt: positions in the clip, and the numbers by which the memory counts them."""
    count = 4 if done < 0.3 else int(common.choice([4, 6, 8], p=[0.5, 0.25, 0.25]))
    stride = int(common.integers(1, min(3, (length - 1) // (count - 1)) + 1))
    start = int(common.integers(length - (count - 1) * stride))
    at = start + stride * np.arange(count)
    number = np.arange(count)
    if common.random() < 0.4:  # the prompt is long ago
        at[0] = common.integers(start + 1)
        number[1:] += int(common.integers(60))
    return at.tolist(), number.tolist()


def clip_step(model, help, pool, rng, common, args, done):
    """The loss of a batch of excerpts, mean over their frames."""
    at, number = excerpt(common, args.frames, done)
    kind = common.choice(["box", "click", "mask"], p=[0.75, 0.10, 0.15])
    told = common.random() < 0.5  # presence by ground truth
    side, share = place(model, rng, common, args, done)
    count = max(1, round(args.clips * share * 4 / len(at)))
    rgb, masks, labels = data.batch(pool, rng, count, args.objects, lambda rng, n: at, side)
    frames, clips = rgb.shape[:2]
    points = prompts(rng, masks[0], kind, side, args.device)
    rgb, masks, labels = (x.to(args.device) for x in (rgb, masks, labels))
    bank = {"cond_frame_outputs": {}, "non_cond_frame_outputs": {}}
    loss, parts = 0, []
    with network.fast(args.device, args.half):
        feats, pos, sizes = network.encode(model, nano.normalise(rgb.flatten(0, 1)))
        scene = help.scene(network.maps(feats, sizes), labels.flatten(0, 1))
        for t in range(frames):
            own = [f[:, t * clips : (t + 1) * clips].repeat_interleave(args.objects, 1) for f in feats]
            places = [p[:, :1].expand(-1, own[0].shape[1], -1) for p in pos]
            target = losses.targets(masks[t])
            there = (target.flatten(1).sum(1) > 0).float()[:, None]
            speaks, given = t == 0 and kind != "click", None
            if t == 0:
                given = masks[0][:, None].float() if kind == "mask" else None
                out = network.still(model, own, sizes, points, None if given is None else model.mask_downsample(given))
            else:
                f0, f1, _ = network.maps(own, sizes)
                conditioned = network.condition(model, own, places, sizes, number[t], bank)
                out = network.heads(model, conditioned, [f0, f1])
            one, numbers = losses.total(out, target, single=speaks)
            hint = help.object(target, conditioned if t > 0 else None)
            loss = loss + (one + hinted(done) * hint) / frames
            numbers["hint"] = float(hint)
            parts.append(numbers)
            if t + 1 < frames:
                present = there * 20 - 10 if told or given is not None else out[3]
                made = network.remember(model, own, sizes, out, speaks, present, given, binary=t == 0)
                bank["cond_frame_outputs" if t == 0 else "non_cond_frame_outputs"][number[t]] = made
    return loss + hinted(done) * scene, {"scene": float(scene), **{k: sum(p[k] for p in parts) / len(parts) for k in parts[-1]}, "frames": frames * clips}


def share(parameters, workers):
    """Makes every worker's gradient the mean of all. All of them have used the same parameters."""
    if workers > 1:
        grads = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([g.flatten() for g in grads])
        group.all_reduce(flat)
        flat /= workers
        for g, part in zip(grads, flat.split([g.numel() for g in grads])):
            g.copy_(part.view_as(g))


def deadline(until):
    """The next time of day HH:MM UTC as seconds since the epoch, infinity without one."""
    if not until:
        return math.inf
    now = datetime.datetime.now(datetime.timezone.utc)
    at = now.replace(hour=int(until[:2]), minute=int(until[3:]), second=0)
    return (at if at > now else at + datetime.timedelta(days=1)).timestamp()


class Log:
    """A file with one line of JSON per evaluation."""

    def __init__(self, path, append):
        self.path = path
        if not append:
            open(path, "w").close()

    def write(self, **values):
        with open(self.path, "a") as f:
            f.write(json.dumps({k: float(f"{v:.5g}") if isinstance(v, float) else v for k, v in values.items()}) + "\n")


class Run:
    """One worker's training: its copy of the network, equal to the others' at every step, and its own clips."""

    def __init__(self, args, worker):
        self.args, self.worker = args, worker
        self.model, own = (nano.build(args.sam2).train().to(args.device) for _ in range(2))
        self.help = hints.Hints(self.model).to(args.device)
        self.optimizers, self.average = optimisers(self.model, self.help, args, worker), Average(own, self.model)
        self.step, self.seconds, self.seen = 0, 0.0, [0, 0]
        self.latest = os.path.join(args.state, "latest.pt")
        if args.resume and os.path.exists(self.latest):
            self.load(torch.load(self.latest, weights_only=True, map_location=args.device))
        elif args.init:
            for model in (self.model, own):
                model.load_state_dict({k: v.float() for k, v in load_file(args.init).items()})
        self.say(f"{sum(p.numel() for p in self.model.parameters()):,} parameters, step {self.step}, {self.seconds / 60:.1f} minutes")
        if worker == 0:
            self.validation = evaluate.load(args.tachi, args.validation)
            self.log = Log(args.log, args.resume)
        self.pool = self.clips()
        self.rng = np.random.default_rng([self.step, worker])
        self.sums, self.recent, self.frames, self.since = {}, {}, 0, time.time()
        self.told = False  # to stop
        if args.workers == 1:
            signal.signal(signal.SIGTERM, lambda *_: setattr(self, "told", True))

    def clips(self):
        """The clips to train on, beginning after those that were seen."""
        args, share = self.args, self.args.share if self.args.natural else 0

        def pool(source, which, share):
            first = data.TRAINING + self.worker * (1_000_000 // args.workers) + self.seen[which] // len(data.FAMILIES)
            return data.Pool(source(first), max(round(args.pool * share), 1), args.uses)

        pools = [pool(lambda first: data.synthetic(args.tachi, first, args.frames), 0, 1 - share)]
        if share:
            pools.append(pool(lambda first: data.natural(args.natural, first, args.frames), 1, share))
        return data.Mixture(pools, [1 - share, share][: len(pools)])

    def load(self, s):
        self.model.load_state_dict(s["model"])
        self.average.model.load_state_dict(s["average"])
        self.help.load_state_dict(s["help"])
        for o, own in zip(self.optimizers, s["optimizers"]):
            o.load_state_dict(own)
        self.average.steps = self.step = s["step"]
        self.seconds, self.seen = s["seconds"], list(s["clips"])

    def save(self):
        state = dict(model=self.model.state_dict(), average=self.average.model.state_dict(), help=self.help.state_dict(),
                     optimizers=[o.state_dict() for o in self.optimizers], step=self.step, seconds=self.seconds,
                     clips=[n + p.count for n, p in zip(self.seen, self.pool.pools)] + self.seen[len(self.pool.pools) :])
        torch.save(state, self.latest + ".partial")
        os.replace(self.latest + ".partial", self.latest)

    def say(self, text):
        if self.worker == 0:
            print(text, flush=True)

    def train(self):
        """Trains until the minutes, or the time until the deadline, are over.

        A step counts ten seconds at most: time during which the processes stand still is not training.
        """
        args = self.args
        self.pool.wait(12)
        stop = deadline(args.until)
        saved = evaluated = time.time()
        while True:
            self.stand()
            now = time.time()
            clock = torch.tensor([self.seconds, now - saved, now - evaluated, stop - now], dtype=torch.float64)
            if args.workers > 1:
                group.broadcast(clock, 0)  # one clock, so that all take the same branches
            self.seconds, unsaved, unseen, left = clock.tolist()
            whole = min(args.minutes * 60, self.seconds + left)
            if self.seconds >= whole or self.told:
                break
            self.advance(self.seconds / whole)
            self.seconds += min(time.time() - now, 10)
            if self.worker == 0 and unsaved > 120:
                self.save()
                saved = time.time()
            if self.worker == 0 and unseen > args.every * 60:
                self.report()
                evaluated = time.time()
        if self.worker == 0:
            self.save()
            if not self.told:
                self.report()

    def stand(self):
        """Returns once the file that says to stand still is gone."""
        if self.args.pause and os.path.exists(self.args.pause):
            self.save()
            self.say("stands still")
            while os.path.exists(self.args.pause) and not self.told:
                time.sleep(2)

    def advance(self, done):
        """One step."""
        args, common = self.args, np.random.default_rng([self.step, 1000])
        tracking = done >= args.first and common.random() < 0.75
        for o in self.optimizers:
            for g in o.param_groups:
                g["lr"] = rate(args, done, self.step)
        step = clip_step if tracking else single_step
        loss, parts = step(self.model, self.help, self.pool, self.rng, common, args, done)
        parameters = [p for m in (self.model, self.help) for p in m.parameters()]
        for p in parameters:
            p.grad = None
        loss.backward()
        share(parameters, args.workers)
        norm = torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        if torch.isfinite(norm):
            for o in self.optimizers:
                o.step()
            self.average.update(self.model)
        self.step += 1
        self.frames += args.workers * parts.pop("frames")
        for k, v in {**parts, "norm": float(norm), "loss": float(loss)}.items():
            key = ("clip_" if tracking else "frame_") + k
            s, n = self.sums.get(key, (0.0, 0))
            self.sums[key] = s + v, n + 1
            self.recent[key] = 0.98 * self.recent.get(key, v) + 0.02 * v
        if self.step % 50 == 0:
            self.say(f"{self.seconds / 60:6.2f} min  step {self.step}  {self.pace():.1f} frames/s  "
                     + "  ".join(f"{k} {v:.3f}" for k, v in self.recent.items()))

    def pace(self):
        return self.frames / max(time.time() - self.since, 1e-3)

    def means(self):
        return {k: s / n for k, (s, n) in self.sums.items()}

    def report(self):
        """Evaluates the averaged weights, writes them and a line of the log."""
        pace = self.pace()
        tracks = "clip_loss" in self.sums
        scores = evaluate.run(self.average.model, self.validation, tracks, self.args.device)
        if self.args.real:
            scores |= evaluate.reals(self.average.model, self.args.real)
        nano.export(self.average.model.state_dict(), self.args.out)
        self.log.write(time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), step=self.step, minutes=self.seconds / 60, rate=self.optimizers[0].param_groups[0]["lr"],
                       frames_per_second=pace, **self.means(), **scores)
        self.say("  ".join(f"{k} {v:.4f}" for k, v in scores.items()))
        self.sums, self.frames, self.since = {}, 0, time.time()


def work(worker, args):
    torch.set_num_threads(1)
    if args.workers > 1:
        group.init_process_group("gloo", init_method=f"file://{args.meet}", rank=worker, world_size=args.workers)
    Run(args, worker).train()


def main():
    args = arguments()
    os.makedirs(args.state, exist_ok=True)
    args.meet = os.path.abspath(os.path.join(args.state, f"meet.{os.getpid()}"))
    if args.workers == 1:
        work(0, args)
    else:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # takes the workers along
        torch.multiprocessing.spawn(work, (args,), nprocs=args.workers, daemon=True)


if __name__ == "__main__":
    main()
