"""The files in `deploy/`: they start what they say, with a token, and publish the page on loopback alone."""

import re
from typing import Any

import pytest
import yaml

from reranker.config.settings import PREFIX, Settings
from tests.support.paths import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
CLAIM, CLUSTER = yaml.safe_load_all((ROOT / "deploy" / "raycluster.yaml").read_text(encoding="utf-8"))
RAY_VERSION = re.findall(r"^ray==(\S+)$", (ROOT / "requirements-cluster.txt").read_text(), re.MULTILINE)[0]


def settings_of(environment: dict[str, str]) -> Settings:
    ours = {name: value for name, value in environment.items() if name.startswith(PREFIX)}
    read = Settings.from_environment(ours)
    assert read != Settings() or not ours, "every variable is a setting"
    return read


def test_a_head_and_two_workers_share_an_image_a_token_and_the_models() -> None:
    services = COMPOSE["services"]
    assert sorted(services) == ["head", "worker-1", "worker-2"]
    for service in services.values():
        assert service["build"]["args"]["REQUIREMENTS"] == "requirements-cluster.txt"
        assert (ROOT / service["build"]["args"]["REQUIREMENTS"]).exists()
        assert service["volumes"] == ["models:/data"]
        environment = service["environment"]
        assert environment["RAY_AUTH_MODE"] == "token"
        assert environment["RAY_AUTH_TOKEN"].startswith("${RAY_AUTH_TOKEN:?"), "none is made up"
        assert environment["RAY_USAGE_STATS_ENABLED"] == "0"
    assert len({service["image"] for service in services.values()}) == 1


def test_only_the_page_is_published_and_on_loopback_alone() -> None:
    published = {name: service["ports"] for name, service in COMPOSE["services"].items() if "ports" in service}
    assert published == {"head": ["127.0.0.1:7860:7860"]}


def test_the_head_runs_the_page_on_all_workers() -> None:
    head = COMPOSE["services"]["head"]
    engine = settings_of(head["environment"]).engine
    assert (engine.workers, engine.ray_address) == ("auto", "auto")
    assert settings_of(head["environment"]).model.name == "lychee", "the head has no GPU to choose it by"
    assert head["command"][-1].endswith("exec python app.py")
    port = re.findall(r"--port=(\d+)", head["command"][-1])[0]
    for name in ("worker-1", "worker-2"):
        worker = COMPOSE["services"][name]
        assert worker["command"] == f"ray start --address=head:{port} --block"
        assert worker["deploy"]["resources"]["reservations"]["devices"][0]["count"] == 1


def test_the_cluster_of_kubernetes_has_a_token_and_the_ray_of_the_image() -> None:
    assert (CLUSTER["apiVersion"], CLUSTER["kind"]) == ("ray.io/v1", "RayCluster")
    spec = CLUSTER["spec"]
    assert spec["authOptions"] == {"mode": "token"}
    assert spec["rayVersion"] == RAY_VERSION
    assert CLUSTER["metadata"]["annotations"]["ray.io/overwrite-container-cmd"] == "true"
    (head,) = spec["headGroupSpec"]["template"]["spec"]["containers"]
    (group,) = spec["workerGroupSpecs"]
    (worker,) = group["template"]["spec"]["containers"]
    assert head["image"] == worker["image"]
    for container in (head, worker):
        assert "$KUBERAY_GEN_RAY_START_CMD" in container["args"][0]
        assert container.keys() >= {"livenessProbe", "readinessProbe"}, "else the operator adds those of a dashboard"
    settings = settings_of({each["name"]: each["value"] for each in head["env"]})
    assert (settings.engine.workers, settings.engine.ray_address) == ("auto", "auto")
    assert settings.model.name == "lychee"


@pytest.mark.parametrize("spec", ["headGroupSpec", "workerGroupSpecs"])
def test_all_pods_read_the_models_of_one_volume(spec: str) -> None:
    assert CLAIM["spec"]["accessModes"] == ["ReadWriteMany"]
    groups = CLUSTER["spec"][spec]
    for group in groups if isinstance(groups, list) else [groups]:
        pod = group["template"]["spec"]
        assert pod["volumes"][0]["persistentVolumeClaim"]["claimName"] == CLAIM["metadata"]["name"]
        assert pod["containers"][0]["volumeMounts"][0] == {"name": "models", "mountPath": "/data"}
