"""AdamW for vectors and tables, Muon for matrices: momentum whose singular values are all brought to one.

Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024), with the scale of Liu et al., "Muon is
scalable for LLM training" (2025): an update has the size that AdamW's would have, so that both share one rate.
"""

import torch
import torch.distributed as group

POLYNOMIAL = 3.4445, -4.7750, 2.0315  # Jordan's quintic: singular values in (0, 1] end near 1 after five rounds


def orthogonal(x, rounds=5, half=False):
    """[B, m, n] -> the nearest matrices with equal singular values, about; bfloat16 is enough for that."""
    a, b, c = POLYNOMIAL
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    x = x.bfloat16() if half else x
    for _ in range(rounds):
        g = x @ x.mT
        x = a * x + (b * g + c * g @ g) @ x
    return (x.mT if tall else x).float()


class Muon(torch.optim.Optimizer):
    """Matrices of equal shape are worked on together, by one of the workers, whose gradients are all the same.

    A fused projection of queries, keys and values counts as three matrices.
    """

    def __init__(self, named, worker, workers, decay=0.05, momentum=0.95, half=False):
        super().__init__([{"params": [p for _, p in named]}], {"lr": 0.0})
        self.decay, self.momentum, self.worker, self.workers, self.half = decay, momentum, worker, workers, half
        self.parts = [3 if n.endswith("qkv.weight") else 1 for n, _ in named]

    @torch.no_grad()
    def step(self):
        rate, batches = self.param_groups[0]["lr"], {}
        for p, parts in zip(self.param_groups[0]["params"], self.parts):
            if p.grad is None:
                continue
            state = self.state[p]
            if not state:
                state["momentum"] = torch.zeros_like(p)
            m = state["momentum"].lerp_(p.grad, 1 - self.momentum)
            update = p.grad.lerp(m, self.momentum).flatten(1).chunk(parts)
            for u, w in zip(update, p.flatten(1).chunk(parts)):
                batches.setdefault(u.shape, []).append((u, w))
        updates = [torch.zeros(len(batch), *shape, device=batch[0][1].device) for shape, batch in batches.items()]
        for i, batch in enumerate(batches.values()):
            own = slice(self.worker, None, self.workers)
            if mine := batch[own]:
                updates[i][own] = orthogonal(torch.stack([u for u, _ in mine]), half=self.half)
        if self.workers > 1:
            flat = torch.cat([u.flatten() for u in updates])
            group.all_reduce(flat)
            updates = [f.view_as(u) for f, u in zip(flat.split([u.numel() for u in updates]), updates)]
        for (shape, batch), update in zip(batches.items(), updates):
            for u, (_, w) in zip(update, batch):
                w.mul_(1 - rate * self.decay).sub_(u, alpha=0.2 * max(shape) ** 0.5 * rate)
