"""What the playground may load and ask: this server, and where the pictures lie."""

from __future__ import annotations

from urllib.parse import urlsplit

from core.services import Services


def page_headers(services: Services) -> dict[str, str]:
    """Return the headers that the page goes out with."""
    elsewhere = " ".join(sorted(_origins_of_links(services)))
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": f"'self' blob: data: {elsewhere}",  # what one has chosen, previews, results
        "connect-src": f"'self' {elsewhere}",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value.strip()}" for name, value in policy.items()),
        "Referrer-Policy": "no-referrer",  # a signed URL must not be told to anybody
        "Cross-Origin-Opener-Policy": "same-origin",
        "Vary": "Accept",
    }


def _origins_of_links(services: Services) -> set[str]:
    """Return the origins, beside the page's own, to which the links in answers lead: S3, and the public URL."""
    stored = services.storage.url("probe/written", expires_s=60, filename="x.png", content_type="image/png")
    split = [urlsplit(url) for url in (stored, services.settings.public_url or "")]
    return {f"{url.scheme}://{url.netloc}" for url in split if url.netloc}
