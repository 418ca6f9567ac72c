"""What several test modules share; ``ROOT`` is the repository."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
