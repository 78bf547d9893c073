"""The settings: defaults < host < config.yaml < environment < arguments. Typed, judged at once, each with a source."""

from __future__ import annotations

from demijohn.config.layers import REHEARSAL as REHEARSAL
from demijohn.config.layers import insist as insist
from demijohn.config.layers import load as load
from demijohn.config.layers import prefer as prefer
from demijohn.config.layers import read as read
from demijohn.config.options import OPTIONS as OPTIONS
from demijohn.config.options import Option as Option
from demijohn.config.secret import Secret as Secret
from demijohn.config.secret import Url as Url
from demijohn.config.settings import Config as Config
