from tests.api.conftest import api, services, settings, worker

__all__ = ["api", "services", "settings", "worker"]
