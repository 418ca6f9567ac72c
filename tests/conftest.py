"""What all tests share: Hypothesis sets no time limit, for a busy machine keeps none."""

from hypothesis import HealthCheck, settings

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
