"""What the rules of COMET ask for."""

from bayling_study.config import StudyConfig
from bayling_study.dag.layout import ONE_TURN, Layout


class CometJobs:
    """The files and options of a study's COMET jobs."""

    config: StudyConfig
    layout: Layout

    def comet_suites(self) -> list[str]:
        """Returns the suites whose answers are translations of a single segment."""
        return [name for name, suite in self.config.suites.items() if isinstance(suite, ONE_TURN)]

    def comet_model(self) -> list[str]:
        """Returns the COMET checkpoint to score with; empty when the study has none."""
        comet = self.config.comet
        if comet.path:
            return [comet.path]
        if comet.source:
            return [str(self.layout.manifest(comet.source))]
        return [f"{self.layout.study}/comet/training"] if comet.embedded else []

    def comet_more(self) -> dict[str, str]:
        """Returns the options that name further checkpoints and encoders, and their files."""
        pairs = self.config.comet.more.items()
        named = [("--more", source, source) for source, _ in pairs]
        named += [("--encoders", source, encoder) for source, encoder in pairs if encoder]
        return {f"{key} {name}": str(self.layout.manifest(of)) for key, name, of in named}

    def comet_encoder(self) -> list[str]:
        """Returns the source of the encoder's files, where the checkpoint does not hold them."""
        encoder = self.config.comet.encoder
        return [str(self.layout.manifest(encoder))] if encoder else []

    def comet_scores(self) -> list[str]:
        """Returns the folder of COMET scores, where the study has a model and fitting suites."""
        wanted = self.comet_model() and self.comet_suites()
        return [f"{self.layout.study}/comet/score"] if wanted else []

    def comet_option(self) -> str:
        """Returns the option that names the folder of COMET scores, where the study has them."""
        return " ".join(f"--comet {folder}" for folder in self.comet_scores())
