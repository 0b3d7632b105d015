"""Ratios, each a command: `python -m benchmarks.NAME [--small]`, all of them: `python -m benchmarks`

The forms of one computation run in turn in one process, so that they meet the same machine. What counts is the ratio between
them and that they agree: a benchmark fails when two forms differ, never because one is slow."""
