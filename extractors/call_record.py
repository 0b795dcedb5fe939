"""What the F0 service tells of a call."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class CallRecord:
    """What the last call did.

    Attributes:
        algorithm: model and decoder.
        requested_device, device: asked for, and used.
        precision: of the network.
        clips, frames: answered so far.
        infer_calls: calls into the network's batches; 1 for any number of windows
            unless memory ran out.
        batch_sizes: in frames, every one that was tried; the last one held.
        free_bytes: free on the device when the first batch size was chosen, and
        budget_bytes: what of it a batch may take; ``None`` where nobody says.
        pieces: whether a recording was too long and was worked through in pieces.
        batching, reduce, share_frames: how windows were treated, empty for one clip.
        fallback: why it did not run where it was asked to, or ``None``.
    """

    algorithm: str
    requested_device: str
    device: str
    precision: str
    clips: int = 0
    frames: int = 0
    infer_calls: int = 0
    batch_sizes: list[int] = field(default_factory=list)
    free_bytes: int | None = None
    budget_bytes: int | None = None
    pieces: bool = False
    batching: str = ""
    reduce: str = ""
    share_frames: bool = False
    fallback: str | None = None

    @property
    def oom_retries(self) -> int:
        """How often memory ran out and the batch was halved."""
        return max(0, len(self.batch_sizes) - 1)
