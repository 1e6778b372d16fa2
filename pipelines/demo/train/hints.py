"""Help for the young network: what its inner maps should already know, read off by linear heads that are thrown away.

A mask's gradient reaches the encoder through the decoder, and the memory through the decoder and four attentions. Linear
heads shorten both ways. On the encoder's maps they read where any object is and where one ends; on the map that memory
attention has conditioned, and on the one that the decoder's transformer has made of it, they read the object's mask. They weigh less
and less, and are no part of the weights.
"""

import torch
import torch.nn.functional as F

import losses


class Hints(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        dim = model.hidden_dim
        self.fine = torch.nn.Conv2d(dim // 8, 2, 1)
        self.middle = torch.nn.Conv2d(dim // 4, 2 * 4, 1)
        self.coarse = torch.nn.Conv2d(dim, 2 * 16, 1)
        self.conditioned = torch.nn.Conv2d(dim, 16, 1)
        self.decoded = torch.nn.Conv2d(dim, 16, 1)
        model.sam_mask_decoder.transformer.register_forward_hook(self.listen)

    def listen(self, module, inputs, outputs):
        """Keeps the map that the decoder's transformer made last: [N, C, S/16, S/16]."""
        self.last = outputs[1].mT.reshape(inputs[0].shape)

    def scene(self, maps, labels):
        """maps: the encoder's three of [N, C, H, W]; labels uint8 [N, S, S], the object at each pixel, 0 for none."""
        f0, f1, f2 = maps
        logits = self.fine(f0) + F.pixel_shuffle(self.middle(f1), 2) + F.pixel_shuffle(self.coarse(f2), 4)  # [N, 2, S/4, S/4]
        x = labels.float()[:, None]
        top, bottom = F.max_pool2d(x, 5, 4, 1), -F.max_pool2d(-x, 5, 4, 1)
        object_, border = F.avg_pool2d((x > 0).float(), 4), (top != bottom).float()
        return F.binary_cross_entropy_with_logits(logits, torch.cat([object_, border], 1))

    def object(self, target, conditioned=None):
        """target [N, S/2, S/2], the share of each pixel; conditioned [N, C, S/16, S/16] when there was a memory."""
        goal = F.avg_pool2d(target[:, None], 2)[:, 0]
        maps = [self.decoded(self.last)] + ([] if conditioned is None else [self.conditioned(conditioned)])
        loss = 0
        for m in maps:
            logits = F.pixel_shuffle(m, 4)[:, 0]
            loss = loss + (F.binary_cross_entropy_with_logits(logits, goal) + 0.5 * losses.dice(logits, goal).mean()) / len(maps)
        return loss
