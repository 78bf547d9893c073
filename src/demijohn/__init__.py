"""Demijohn: Bottle, cased to travel."""

from __future__ import annotations

from bottle import FileUpload as FileUpload
from bottle import FormsDict as FormsDict
from bottle import HTTPError as HTTPError
from bottle import HTTPResponse as HTTPResponse
from bottle import abort as abort
from bottle import redirect as redirect
from bottle import request as request
from bottle import response as response
from bottle import static_file as static_file
from bottle import view as view

from demijohn.errors import ConfigError as ConfigError
from demijohn.errors import DemijohnError as DemijohnError
from demijohn.site import Site as Site
from demijohn.views import template as template

__version__ = "0.1.0"
