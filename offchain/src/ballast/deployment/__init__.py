"""Deploying Ballast: one configuration file a network, one builder, any chain."""

from ballast.deployment.builder import Builder
from ballast.deployment.config import Network, load_network
from ballast.deployment.record import DeploymentRecord

__all__ = ["Builder", "DeploymentRecord", "Network", "load_network"]
