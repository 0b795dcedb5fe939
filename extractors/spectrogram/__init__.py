"""Spectrograms: one definition of STFT, mel and constant-Q, by several libraries."""
