"""What kind of thing a static file is, by its name."""

from __future__ import annotations

# Python's own table depends on the machine: on Windows, a registry entry can make JavaScript text/plain.
_TYPES = {
    "avif": "image/avif",
    "br": "application/x-brotli",
    "css": "text/css",
    "csv": "text/csv",
    "gif": "image/gif",
    "gz": "application/gzip",
    "htm": "text/html",
    "html": "text/html",
    "ico": "image/x-icon",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "js": "text/javascript",
    "json": "application/json",
    "map": "application/json",
    "md": "text/markdown",
    "mjs": "text/javascript",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "otf": "font/otf",
    "pdf": "application/pdf",
    "png": "image/png",
    "svg": "image/svg+xml",
    "ttf": "font/ttf",
    "txt": "text/plain",
    "wasm": "application/wasm",
    "webm": "video/webm",
    "webmanifest": "application/manifest+json",
    "webp": "image/webp",
    "woff": "font/woff",
    "woff2": "font/woff2",
    "xml": "text/xml",
    "zip": "application/zip",
    "zst": "application/zstd",
}


def content_type(name: str) -> str:
    """The Content-Type of a file of this name."""
    known = _TYPES.get(name.rpartition(".")[2].lower())
    if known is None:
        import mimetypes

        guess, encoding = mimetypes.guess_type(name)
        known = f"application/x-{encoding}" if encoding else guess or "application/octet-stream"
    return f"{known}; charset=utf-8" if known.startswith("text/") else known


# Beside text. The other types are compressed already.
_SHRINKS = frozenset(
    (
        *("application/json", "application/manifest+json", "application/wasm", "application/xml"),
        *("font/otf", "font/ttf", "image/svg+xml", "image/x-icon"),
    )
)


def may_shrink(kind: str) -> bool:
    """Whether it is worth a try to compress what has this Content-Type."""
    kind = kind.partition(";")[0]
    return kind.startswith("text/") or kind in _SHRINKS or kind.endswith(("+json", "+xml"))
