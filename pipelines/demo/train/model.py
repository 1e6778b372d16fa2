"""nano: the official SAM 2.1 modules, narrow, at 256 x 256.

The modules come from a checkout of facebookresearch/sam2 and are instantiated from its own YAML with the overrides of
nano.json, so that the names and shapes of the tensors are the official ones. Two widths are constants in the official
code, in SAM2Base: the hidden widths of the mask decoder's transformer (2048) and of its IoU head (256). They are
replaced after construction. One module computes the same thing in fewer passes: LayerNorm2d, which the official code
spells out in elementwise operations.
"""

import json
import os
import sys

import torch
import torch.nn.functional as F

import network

HERE = os.path.dirname(os.path.abspath(__file__))
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)

# What build_sam2_video_predictor sets by default; nothing of it is a weight.
PREDICTOR = {
    "sam_mask_decoder_extra_args.dynamic_multimask_via_stability": True,
    "sam_mask_decoder_extra_args.dynamic_multimask_stability_delta": 0.05,
    "sam_mask_decoder_extra_args.dynamic_multimask_stability_thresh": 0.98,
    "binarize_mask_from_pts_for_mem_enc": True,
}


def build(checkout, seed=0):
    """Returns the network with fresh weights, from a checkout of the official code, ready to be trained."""
    sys.path.insert(0, checkout)
    from sam2.modeling import sam2_utils

    sam2_utils.LayerNorm2d.forward = layer_norm_2d
    torch.manual_seed(seed)
    model = construct()
    initialise(model)
    network.View(model)
    return model


def construct(yaml=None, **more):
    """Returns the network from the package sam2 that is imported, with its own YAML or another, and further overrides."""
    import sam2
    from hydra.utils import instantiate
    from omegaconf import OmegaConf
    from sam2.modeling.sam.transformer import TwoWayTransformer
    from sam2.modeling.sam2_utils import MLP

    with open(os.path.join(HERE, "nano.json")) as f:
        nano = json.load(f)
    cfg = OmegaConf.load(os.path.join(os.path.dirname(sam2.__file__), "configs", yaml or nano["yaml"])).model
    for key, value in {**nano["override"], **PREDICTOR, **more}.items():
        OmegaConf.update(cfg, key, value, force_add=True)
    OmegaConf.resolve(cfg)
    model = instantiate(cfg, _recursive_=True)
    decoder, dim = model.sam_mask_decoder, model.hidden_dim
    decoder.transformer = TwoWayTransformer(depth=2, embedding_dim=dim, mlp_dim=nano["mlp_dim"], num_heads=8)
    decoder.iou_prediction_head = MLP(dim, nano["iou_head_hidden_dim"], 4, 3, sigmoid_output=model.iou_prediction_use_sigmoid)
    return model


def initialise(model):
    """Starts the trunk with small normal weights, and cross attention where what belongs together already matches.

    Prompts and pixels meet through one position encoding. Equal projections of queries and keys make a token attend to
    the pixels near it from the first step on, which random ones take a thousand steps to learn. Likewise a memory starts
    as a plain projection of the frame's features, and memory attention with keys that undo it: alike finds alike.
    """
    trunk = model.image_encoder.trunk
    for m in trunk.modules():
        if isinstance(m, torch.nn.Linear):
            torch.nn.init.trunc_normal_(m.weight, std=0.05)
            torch.nn.init.zeros_(m.bias)
    for name, m in model.sam_mask_decoder.transformer.named_modules():
        if name.endswith(("token_to_image", "image_to_token")):
            torch.nn.init.xavier_uniform_(m.q_proj.weight, gain=2)
            m.k_proj.weight.data.copy_(m.q_proj.weight)
    memory, dim = model.memory_encoder, model.hidden_dim
    torch.nn.init.eye_(memory.pix_feat_proj.weight[:, :, 0, 0])
    torch.nn.init.orthogonal_(memory.out_proj.weight[:, :, 0, 0])
    for layer in model.memory_attention.layers:
        cross = layer.cross_attn_image
        torch.nn.init.xavier_uniform_(cross.q_proj.weight)
        cross.k_proj.weight.data.copy_(cross.q_proj.weight @ memory.out_proj.weight[:, :, 0, 0].T)
    torch.nn.init.trunc_normal_(trunk.pos_embed, std=0.02)
    torch.nn.init.trunc_normal_(trunk.pos_embed_window, std=0.02)


def layer_norm_2d(self, x):
    """LayerNorm over the channels of [B, C, H, W]."""
    return F.layer_norm(x.permute(0, 2, 3, 1), self.weight.shape, self.weight, self.bias, self.eps).permute(0, 3, 1, 2)


def normalise(rgb):
    """uint8 [N, H, W, 3] -> float [N, 3, H, W], as the network wants it."""
    x = rgb.permute(0, 3, 1, 2).float()
    mean, std = (torch.tensor(c, device=x.device).view(1, 3, 1, 1) * 255 for c in (MEAN, STD))
    return (x - mean) / std


def export(state, path):
    """Writes a state dict as float16 safetensors, whole or not at all."""
    from safetensors.torch import save_file

    partial = path + ".partial"
    save_file({k: v.detach().cpu().to(torch.float16).contiguous() for k, v in state.items()}, partial, metadata={"format": "pt"})
    os.replace(partial, path)
