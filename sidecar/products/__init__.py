"""What we know of Jira and Confluence, as data: path sets, cookies, log-in and log-out paths, rewrites."""

from collections.abc import Mapping

from sidecar.domain.product import Product
from sidecar.products.confluence import CONFLUENCE
from sidecar.products.jira import JIRA

PRODUCTS: Mapping[str, Product] = {product.name: product for product in (JIRA, CONFLUENCE)}
"""By the name that the configuration uses."""
