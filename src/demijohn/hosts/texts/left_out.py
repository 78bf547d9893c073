"""What is not uploaded: nothing that a site needs, everything that would be seen, weigh, or give a secret away."""

from __future__ import annotations

from demijohn.hosts.plan import Plan

_REPOSITORY = (".git", ".gitignore", ".gitattributes", ".github", ".ci")
_DEVELOPMENT = ("tests", "benchmarks", "docs", "Makefile", "local.mk", "pyproject.toml", "uv.lock", "dist")
_MADE = (".venv", "venv", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".import_linter_cache")
_ANYWHERE = ("__pycache__", "*.pyc", "*.sqlite", "*.sqlite-*", "*.log")
SECRETS = (".env", ".env.*", "*.env", "app.secret.yaml")


def gcloudignore(plan: Plan, image: bool = False) -> str:
    """The patterns are those of .gitignore; what is not named goes up. An image is built there from its Dockerfile."""
    whole = (*_REPOSITORY, *_DEVELOPMENT, *_MADE, *(() if image else ("Dockerfile", ".dockerignore")))
    return (
        "# Not uploaded by gcloud. Its patterns are those of .gitignore.\n.gcloudignore\n"
        + "".join(f"/{name}\n" for name in whole)
        + "".join(f"{pattern}\n" for pattern in (*_ANYWHERE, *SECRETS))
    )


def dockerignore(plan: Plan) -> str:
    """A pattern is taken from the folder's top, and ** stands for folders in between."""
    whole = (*_REPOSITORY, *_DEVELOPMENT, *_MADE, "Dockerfile", ".dockerignore", ".gcloudignore")
    return "# Not copied into the image.\n" + "".join(
        f"{name}\n" for name in (*whole, *(f"**/{pattern}" for pattern in (*_ANYWHERE, *SECRETS)))
    )
