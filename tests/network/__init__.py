"""The network: rules, policy and desk with a played network, and the real class against mocked services."""
