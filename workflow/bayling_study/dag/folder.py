"""Prints the folder of a study's results, as its configuration says; ``make`` asks this.

``python -m bayling_study.dag.folder --study-config config/config.yaml``
"""

from bayling_study.config import load_config
from bayling_study.core import cli
from bayling_study.dag.layout import Layout


def main() -> None:
    """Prints the path; a configuration that cannot be used ends here, before any work."""
    files = cli.command(__name__, study_config=cli.STUDY_CONFIG).parse_args().study_config
    print(Layout(load_config(*files)).study)


if __name__ == "__main__":
    cli.run_program(main)
