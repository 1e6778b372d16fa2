"""The network on batches of clips, with gradients: the official modules, called in the official order.

The official predictor replaces the masks of objects it believes absent by -1024 and keeps one candidate. Training needs
all candidates as they are, so `heads` calls the prompt encoder and the mask decoder itself, and `remember` then applies
the rules. Memory attention, its bank and the memory encoder are the official methods.
"""

import contextlib

import torch
import torch.nn.functional as F

import data

NO_OBJECT = -1024.0
LONG = 1000  # clips are excerpts: pointers' distances are divided by 15, as in any clip of 16 frames or more


def attention(q, k, v, dropout_p=0.0):
    """Attention spelled out: on a CPU faster than the fused kernel, whose gradient is slow."""
    return (q * q.shape[-1] ** -0.5 @ k.transpose(-1, -2)).softmax(-1) @ v


@contextlib.contextmanager
def fast(device="cpu", half=False):
    """Within it, attention is spelled out on a CPU, and products are bfloat16 on a GPU, or on a CPU that is said to have it."""
    kernel = F.scaled_dot_product_attention
    if device == "cpu":
        F.scaled_dot_product_attention = attention
    try:
        with torch.autocast(device, torch.bfloat16, enabled=half or device != "cpu"):
            yield
    finally:
        F.scaled_dot_product_attention = kernel


class View:
    """Where a crop lies in the frame: its first row and column, multiples of 32 pixels.

    Training on crops at full sharpness costs a quarter of training on frames. What depends on the size of the frame is
    position encodings alone: within a view they are those of the crop's place in the whole frame, so the network does not
    notice that the rest is missing.
    """

    def __init__(self, model):
        self.row = self.column = 0
        self.size = self.side = size = model.image_size
        trunk, sines = model.image_encoder.trunk, (model.image_encoder.neck.position_encoding, model.memory_encoder.position_encoding)
        whole = trunk._get_pos_embed
        trunk._get_pos_embed = lambda hw: self.cut(whole((size // 4, size // 4)), hw, 4, 1)
        for sine, strides in zip(sines, ((4, 8, 16, 32), (16,))):
            sine.forward = lambda x, sine=sine, strides=strides: self.sine(sine, x, strides)
        model.view = self

    def place(self, row, column, side):
        """Says where the next crops of side x side pixels lie."""
        self.row, self.column, self.side = row, column, side

    def cut(self, x, hw, stride, dim):
        """The crop's part of a map of the whole frame whose rows are dimension `dim`."""
        return x.narrow(dim, self.row // stride, hw[0]).narrow(dim + 1, self.column // stride, hw[1])

    def sine(self, module, x, strides):
        stride = self.side // x.shape[-1]
        assert stride in strides
        whole = module._pe(x.shape[0], x.device, self.size // stride, self.size // stride)
        return self.cut(whole, x.shape[-2:], stride, 2)

    def points(self, points):
        """Prompts of the crop as prompts of the frame."""
        coords, labels = points
        return coords + torch.tensor([self.column, self.row], dtype=coords.dtype, device=coords.device), labels


def encode(model, images):
    """Images [N, 3, S, S] -> the three levels as the official code passes them on: lists of [HW, N, C], and their sizes."""
    out = model.forward_image(images)
    _, feats, pos, sizes = model._prepare_backbone_features(out)
    return [f.float() for f in feats], pos, sizes


def heads(model, pix, high, points=None, mask=None):
    """All four candidates: masks [N, 4, S/4, S/4], predicted IoU [N, 4], tokens [N, 4, C], object logit [N, 1]."""
    n = pix.shape[0]
    if points is None:
        points = pix.new_zeros(n, 1, 2, dtype=torch.float32), -pix.new_ones(n, 1, dtype=torch.int32)
    sparse, dense = model.sam_prompt_encoder(points=model.view.points(points), boxes=None, masks=mask)
    place = model.view.cut(model.sam_prompt_encoder.get_dense_pe(), pix.shape[-2:], 16, 2)
    masks, iou, tokens, present = model.sam_mask_decoder.predict_masks(
        image_embeddings=pix, image_pe=place, sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense[..., : pix.shape[-2], : pix.shape[-1]], repeat_image=False, high_res_features=high)
    return masks.float(), iou.float(), tokens.float(), present.float()


def maps(feats, sizes):
    """[HW, N, C] -> [N, C, H, W] for every level."""
    return [f.permute(1, 2, 0).reshape(f.shape[1], f.shape[2], *s) for f, s in zip(feats, sizes)]


def still(model, feats, sizes, points=None, mask=None):
    """One frame without memory."""
    f0, f1, f2 = maps(feats, sizes)
    return heads(model, f2 + model.no_mem_embed.view(1, -1, 1, 1), [f0, f1], points, mask)


def remember(model, feats, sizes, out, single, present, given=None, binary=False):
    """Makes a memory and a pointer of a frame.

    out is what heads returned, single whether token 0 speaks (a prompt of two points, or a mask), present [N, 1] whether
    the object is held to be there, given a mask {0, 1} [N, 1, S, S] that replaces the prediction, binary whether the
    mask is cut at 0 first, as the predictor does on prompted frames.
    """
    masks, iou, tokens, _ = out
    rows = torch.arange(len(masks), device=masks.device)
    best = torch.zeros_like(rows) if single else 1 + iou[:, 1:].argmax(1)
    token = tokens[rows, best]
    low = torch.where(present[:, :, None, None] > 0, masks[rows, best][:, None], NO_OBJECT)
    if given is not None:
        logits = given * 20 - 10
    else:
        logits = F.interpolate(low, scale_factor=4, mode="bilinear", align_corners=False)
        if binary:
            logits = torch.where(logits > 0, 30.0, -30.0)
    there = (present > 0).float()
    pointer = there * model.obj_ptr_proj(token) + (1 - there) * model.no_obj_ptr
    memory, pos = model._encode_new_memory(feats, sizes, logits, present, is_mask_from_pts=False)
    return {"maskmem_features": memory.float(), "maskmem_pos_enc": pos, "obj_ptr": pointer.float()}


def condition(model, feats, pos, sizes, index, bank):
    """The coarsest level of frame number `index`, conditioned on a bank: [N, C, H, W]."""
    return model._prepare_memory_conditioned_features(
        frame_idx=index, is_init_cond_frame=False, current_vision_feats=feats[-1:], current_vision_pos_embeds=pos[-1:],
        feat_sizes=sizes[-1:], output_dict=bank, num_frames=LONG)


@torch.no_grad()
def predict(model, images, box):
    """Tracks boxes [N, 4] given on the first of frames [T, N, 3, S, S] by the official rules.

    Returns the logits [T, N, S, S] and the object logits [T, N].
    """
    model.eval()
    model.view.place(0, 0, model.image_size)
    bank = {"cond_frame_outputs": {}, "non_cond_frame_outputs": {}}
    masks, present = [], []
    coords, labels = data.box_points(box)
    for t, frame in enumerate(images):
        feats, pos, sizes = encode(model, frame)
        out = model.track_step(
            frame_idx=t, is_init_cond_frame=t == 0, current_vision_feats=feats, current_vision_pos_embeds=pos,
            feat_sizes=sizes, point_inputs={"point_coords": coords, "point_labels": labels} if t == 0 else None,
            mask_inputs=None, output_dict=bank, num_frames=LONG)
        bank["cond_frame_outputs" if t == 0 else "non_cond_frame_outputs"][t] = out
        bank["non_cond_frame_outputs"].pop(t - 16, None)
        masks.append(out["pred_masks_high_res"][:, 0])
        present.append(out["object_score_logits"][:, 0])
    model.train()
    return torch.stack(masks), torch.stack(present)
