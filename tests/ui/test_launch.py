"""How the page is launched."""

from reranker import Reranker, Settings
from reranker.ui.launch import launch_settings


def test_launching_is_quiet_and_closed(upload_folder):
    settings = launch_settings(Reranker(settings=Settings.of(host="0.0.0.0", port=8000, root_path="/rank")))
    assert {key: settings[key] for key in ("server_name", "server_port", "root_path", "share")} == {
        "server_name": "0.0.0.0",
        "server_port": 8000,
        "root_path": "/rank",
        "share": False,
    }
    assert not any(settings[key] for key in ("show_error", "run_history", "enable_monitoring", "mcp_server", "pwa"))
    assert launch_settings(Reranker())["server_name"] == "127.0.0.1"
