import numpy as np

from f0bench import F0Extractor, F0Track, FrameGrid


class Acf(F0Extractor):
    name = "acf"

    def __init__(self, *, fmin=50.0, fmax=1100.0, hop_s=0.01, threshold=0.5):
        self.fmin, self.fmax, self.hop_s, self.threshold = fmin, fmax, hop_s, threshold

    def extract(self, clips):
        return [self._track(clip.samples, clip.sr) for clip in clips]

    def _track(self, y, sr):
        grid, size = FrameGrid(self.hop_s), 2 * int(2 * sr / self.fmin)
        n = grid.n_frames(len(y), sr)
        at = grid.centres(n, sr)[:, None] + np.arange(size)
        spectra = np.fft.rfft(
            np.pad(y, size)[at + size // 2] * np.hanning(size), 2 * size
        )
        acf = np.fft.irfft(np.abs(spectra) ** 2)[:, : size // 2] + 1e-9
        low = int(sr / self.fmax)
        lag = low + acf[:, low : int(sr / self.fmin)].argmax(axis=1)
        level = np.clip(acf[np.arange(n), lag] / acf[:, 0], 0, 1)
        return F0Track(grid.times(n), sr / lag, level >= self.threshold, level)
