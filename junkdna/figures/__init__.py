"""Figures of a study, drawn from `drops.parquet` alone: one module per figure family, one style for all of them."""
