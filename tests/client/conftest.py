from tests.api.conftest import api, services, settings, worker, working

__all__ = ["api", "services", "settings", "worker", "working"]
