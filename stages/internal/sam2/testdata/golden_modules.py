"""Whole-tensor goldens of every module of the reduced network: modules.safetensors, with naive errors in modules.json.

Maps are stored channels-last [H, W, C], token lists [N, C]. A name is `module/part`; the inputs of a module are other
entries of the file, named in golden_test.go beside the call. heads.safetensors holds the few weights that are not as
generated.
"""

import json
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
HW = 16 * 16


def last(x):
    """[1, C, H, W] -> [H, W, C]"""
    return x[0].permute(1, 2, 0)


def first(x):
    """[H, W, C] -> [1, C, H, W]"""
    return x.permute(2, 0, 1)[None]


def seq(x):
    """[H, W, C] -> [HW, 1, C]"""
    return x.reshape(-1, 1, x.shape[-1])


class Collector:
    """Runs each module in float64 and in float32 on inputs that are exact in float32."""

    def __init__(self, build):
        with reference.wide():
            self.double = build().double()
        self.single = build()
        self.tensors, self.naive = {}, {}

    def run(self, name, fn, *inputs):
        """Stores the parts of fn(model, *inputs), a dict, under name/part. Returns the float64 parts as stored."""
        with torch.no_grad():
            with reference.wide():
                exact = fn(self.double, *[x.double() if x.is_floating_point() else x for x in inputs])
            naive = fn(self.single, *inputs)
        for part, value in exact.items():
            key = f"{name}/{part}"
            stored = value.detach().to(torch.float64)
            self.tensors[key] = stored.float().contiguous().clone()
            self.naive[key] = (naive[part].double() - stored).abs().max().item()
        return {part: self.tensors[f"{name}/{part}"] for part in exact}

    def keep(self, name, value):
        """Stores an input."""
        self.tensors[name] = value.contiguous().clone()
        return value


def encoder(model, image):
    """Patch and position embedding, every block, and the three maps of the neck with conv_s0 and conv_s1."""
    out, trunk = {}, model.image_encoder.trunk
    hooks = [trunk.blocks[0].register_forward_pre_hook(lambda m, x: out.update(patch=x[0][0].clone()))]
    for i, block in enumerate(trunk.blocks):
        hooks.append(block.register_forward_hook(lambda m, x, y, i=i: out.update({f"block{i}": y[0].clone()})))
    maps = model.forward_image(first(image))["backbone_fpn"]
    for hook in hooks:
        hook.remove()
    return out | {f"f{i}": last(x) for i, x in enumerate(maps)}


def prompt(points, labels, mask):
    def fn(model, *rest):
        encode = model.sam_prompt_encoder
        xy = None if points is None else (torch.tensor([points]), torch.tensor([labels], dtype=torch.int32))
        sparse, dense = encode(points=xy, boxes=None, masks=None if mask is None else rest[0][None, None])
        out = {} if points is None else {"sparse": sparse[0]}
        return out | ({} if mask is None else {"dense": last(dense)})

    return fn


def decode(points, labels, multimask, threshold=0.98, with_mask=False):
    """The prompt encoder and mask decoder as the head calls them; threshold moves the stability fallback."""

    def fn(model, f0, f1, conditioned, *mask):
        encoder, decoder = model.sam_prompt_encoder, model.sam_mask_decoder
        xy = (torch.tensor([points]), torch.tensor([labels], dtype=torch.int32))
        sparse, dense = encoder(points=xy, boxes=None, masks=mask[0][None, None] if with_mask else None)
        keep = decoder.dynamic_multimask_stability_thresh
        decoder.dynamic_multimask_stability_thresh = threshold
        masks, iou, tokens, logit = decoder(
            image_embeddings=first(conditioned),
            image_pe=encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=multimask,
            repeat_image=False,
            high_res_features=[first(f0), first(f1)],
        )
        decoder.dynamic_multimask_stability_thresh = keep
        return {"masks": masks[0], "iou": iou[0], "tokens": tokens[0], "logit": logit[0]}

    return fn


def stability(model, f0, f1, conditioned, points, labels):
    """The score that the fallback compares with its threshold."""
    decoder = model.sam_mask_decoder
    seen = []
    original = decoder._get_stability_scores
    decoder._get_stability_scores = lambda m: seen.append(original(m)) or seen[-1]
    with torch.no_grad():
        decode(points, labels, False)(model, f0, f1, conditioned)
    del decoder._get_stability_scores
    return seen[0].item()


def attend(frame, recent):
    """Memory attention through the official choice of memories: prompt frame 0, the given recent frames, their pointers."""

    def fn(model, f2, memories, pointers):
        def output(i):
            return {
                "maskmem_features": first(memories[i].reshape(16, 16, 64)).to(torch.bfloat16),
                "maskmem_pos_enc": [model.memory_encoder.position_encoding(torch.zeros(1, 64, 16, 16))],
                "obj_ptr": pointers[i][None],
            }

        past = {
            "cond_frame_outputs": {0: output(0)},
            "non_cond_frame_outputs": {t: output(i + 1) for i, t in enumerate(recent)},
        }
        position = model.image_encoder.neck.position_encoding(first(f2))
        out = model._prepare_memory_conditioned_features(
            frame_idx=frame,
            is_init_cond_frame=False,
            current_vision_feats=[seq(f2)],
            current_vision_pos_embeds=[position.flatten(2).permute(2, 0, 1)],
            feat_sizes=[(16, 16)],
            output_dict=past,
            num_frames=40,
        )
        return {"conditioned": last(out).reshape(HW, -1)}

    return fn


def remember(binarize, occluded):
    """Memory features before they are rounded to bfloat16."""

    def fn(model, f2, low):
        high = F.interpolate(low[None, None], size=(256, 256), mode="bilinear", align_corners=False)
        features, _ = model._encode_new_memory(
            current_vision_feats=[seq(f2)],
            feat_sizes=[(16, 16)],
            pred_masks_high_res=high,
            object_score_logits=torch.tensor([[-1.0 if occluded else 1.0]]),
            is_mask_from_pts=binarize,
        )
        return {"memory": last(features).reshape(HW, -1)}

    return fn


def point(lam):
    def fn(model, token):
        pointer = model.obj_ptr_proj(token[None])
        return {"pointer": (lam * pointer + (1 - lam) * model.no_obj_ptr)[0]}

    return fn


def mask_as_output(model, f0, f1, f2, mask):
    seen = {}
    hook = model.sam_mask_decoder.register_forward_hook(lambda m, x, y: seen.update(token=y[2][0, 0], logit=y[3][0]))
    low, _, _, _, _, pointer, logit, *_ = model._use_mask_as_output(first(f2), [first(f0), first(f1)], mask[None, None])
    hook.remove()
    return {"low": low[0, 0], "token": seen["token"], "logit": seen["logit"], "pointer": pointer[0]}


def main(checkout):
    reference.use(checkout)
    global load_video_frames
    from sam2.utils.misc import load_video_frames_from_jpg_images as load_video_frames

    with open(os.path.join(HERE, "reduced.json")) as f:
        config = json.load(f)
    heads = reference.heads(config)
    save_file(heads, os.path.join(HERE, "heads.safetensors"))
    c = Collector(lambda: reference.build("sam2.1/sam2.1_hiera_t.yaml", config["override"], config["seed"], changed=heads))

    rgb = torch.from_numpy(make_frames(1)[0])  # u8 [H, W, 3]
    c.keep("rgb", rgb)
    image, resized, levels = preprocess(rgb)
    c.keep("image/rgb", resized)
    c.keep("image/levels", levels)
    maps = c.run("encoder", encoder, image)
    f0, f1, f2 = maps["f0"], maps["f1"], maps["f2"]
    plain = f2 + c.single.no_mem_embed[0, 0].detach()

    click, box = ([[100.5, 60.25]], [1]), ([[40.0, 52.0], [180.5, 200.75]], [2, 3])
    clicks = (click[0] + [[30.0, 220.0]], [1, 0])
    none = ([[0.0, 0.0]], [-1])
    low = c.run("decode.click", decode(*click, True), f0, f1, plain)["masks"][0]
    c.run("prompt.click", prompt(*click, None))
    c.run("prompt.clicks", prompt(*clicks, None))
    c.run("prompt.box", prompt(*box, None))
    c.run("prompt.none", prompt(*none, None))
    c.run("prompt.mask", prompt(None, None, True), low)
    score = stability(c.single, f0, f1, plain, *box)
    assert 0.981 < score < 0.998, score
    c.run("decode.track", decode(*none, True), f0, f1, plain)
    c.run("decode.clicks", decode(*clicks, False), f0, f1, plain)
    c.run("decode.fallback", decode(*box, False, threshold=0.999), f0, f1, plain)
    c.run("decode.stable", decode(*box, False), f0, f1, plain)
    c.run("decode.mask", decode(*click, True, with_mask=True), f0, f1, plain, low)

    # Memories and pointers from the generator; the memories exact in bfloat16.
    memories = reference.generate("memory_token", (7, HW, 64), 2).to(torch.bfloat16).float() * 8
    pointers = reference.generate("pointer_token", (7, 256), 2) * 4
    c.keep("memories", memories.to(torch.bfloat16))
    c.keep("pointers", pointers)
    c.run("attend.one", attend(1, []), f2, memories, pointers)
    c.run("attend.seven", attend(9, [3, 4, 5, 6, 7, 8]), f2, memories, pointers)

    c.run("remember.sigmoid", remember(False, False), f2, low)
    c.run("remember.binary", remember(True, False), f2, low)
    c.run("remember.occluded", remember(False, True), f2, torch.full_like(low, -1024.0))
    token = c.tensors["decode.track/tokens"][0]
    c.run("point.seen", point(1.0), token)
    c.run("point.lost", point(0.0), token)

    mask = torch.zeros(256, 256)
    mask[61:170, 33:142] = 1
    mask[90:101, 100:200] = 0
    c.keep("mask", mask.to(torch.uint8))
    c.run("mask", mask_as_output, f0, f1, f2, mask)

    save_file(c.tensors, os.path.join(HERE, "modules.safetensors"))
    with open(os.path.join(HERE, "modules.json"), "w") as f:
        json.dump({"naive_error": c.naive, "stability": score}, f, indent=1)
    print(f"modules: {len(c.naive)} goldens, stability score {score:.3f}")


def preprocess(rgb):
    """The image-folder path: Pillow's bicubic to the network's size, then normalised.

    u8 [H, W, 3] -> f32 [S, S, 3]; the same before it was normalised, u8; and what each of its levels becomes, f32 [256, 3].
    """
    with tempfile.TemporaryDirectory() as folder:

        def load(pixels, side):
            # The loader goes by the name, Pillow by the content: PNG keeps the pixels.
            Image.fromarray(pixels.numpy()).save(os.path.join(folder, "0.jpg"), format="PNG")
            return last(load_video_frames(folder, side, offload_video_to_cpu=True)[0])

        ramp = torch.arange(256, dtype=torch.uint8).reshape(16, 16, 1).expand(16, 16, 3).contiguous()
        levels = load(ramp, 16).reshape(256, 3)
        image = load(rgb, 256)
    resized = torch.stack([torch.searchsorted(levels[:, i].contiguous(), image[..., i].contiguous()) for i in range(3)], -1)
    assert torch.equal(torch.gather(levels, 0, resized.reshape(-1, 3)).reshape(image.shape), image)
    return image, resized.to(torch.uint8), levels


if __name__ == "__main__":
    main(sys.argv[1])
