"""Candle files: one reader and one writer for replay, backtest and `alpha data`."""
