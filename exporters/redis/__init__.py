"""Redis as a destination: plan, apply, verify."""

from exporters.redis.hashes import RedisHashes

__all__ = ["RedisHashes"]
