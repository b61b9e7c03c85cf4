"""Every route of the vendor's API, in the order in which they are tried."""

from crmbook.sandbox.freshsales import (
    activity_routes,
    bulk,
    convert,
    files,
    lists,
    products,
    records,
    search,
    selectors,
    settings,
    views,
)
from crmbook.sandbox.freshsales.call import Routes

ROUTES = Routes(
    [
        *views.ROUTES,
        *bulk.ROUTES,
        *lists.ROUTES,
        *convert.ROUTES,
        *activity_routes.ROUTES,
        *files.ROUTES,
        *search.ROUTES,
        *selectors.ROUTES,
        *settings.ROUTES,
        *products.ROUTES,
        *records.ROUTES,
    ]
)
