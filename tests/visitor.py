from __future__ import annotations

from tests.site.visitor import PASSWORD as PASSWORD
from tests.site.visitor import Answer as Answer
from tests.site.visitor import Visitor as Visitor
from tests.site.visitor import unique as unique
