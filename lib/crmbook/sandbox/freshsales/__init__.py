"""Freshsales, Suite and Classic, as an HTTP server that is as strict and as forgetful as the real one.

Written from public evidence only; where the sources contradict each other a switch of the tenant decides, see `tenant`.
"""

from crmbook.sandbox.freshsales.application import app
from crmbook.sandbox.freshsales.clock import Clock
from crmbook.sandbox.freshsales.seed import open_tenant, open_tenants
from crmbook.sandbox.freshsales.tenant import REALMS, Tenant

__all__ = ["REALMS", "Clock", "Tenant", "app", "open_tenant", "open_tenants"]
