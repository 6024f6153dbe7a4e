"""What is kept of a node, and what never is."""

from __future__ import annotations

import json
from dataclasses import replace

import keyring
import pytest
from keyring.backends.fail import Keyring as NoKeyring

from app.pacs.nodes import Node, checked, read_nodes, write_nodes
from app.pacs.passwords import keep_password, password_of
from app.places import nodes_file
from planner.refusal import Refusal

HOSPITAL = Node("Hospital", "PACS", "pacs.example.org", 104)
WEB = Node("Web", way="DICOMweb", url="https://pacs.example.org/dicom-web", user="planner")


@pytest.fixture(autouse=True)
def no_file() -> None:
    nodes_file().unlink(missing_ok=True)


def test_nodes_come_back_as_they_were() -> None:
    assert read_nodes() == ()
    nodes = (HOSPITAL, WEB, Node("Zweite", "B", "10.0.0.1", 11112, tls=True, way="C-MOVE", certificate="/a.pem", our_port=5000))
    write_nodes(nodes)
    assert read_nodes() == nodes


def test_the_password_is_in_the_keyring_and_not_in_the_file() -> None:
    write_nodes([WEB])
    keep_password(WEB, "hunter2hunter2")
    assert password_of(WEB) == "hunter2hunter2"
    assert "hunter2" not in nodes_file().read_text("utf-8")
    assert password_of(replace(WEB, url="https://evil.example.org")) is None  # it never goes to another server
    keep_password(WEB, "")
    keep_password(WEB, "")
    assert password_of(WEB) is None


def test_without_a_keyring_a_sentence_says_so() -> None:
    keyring.set_keyring(NoKeyring())
    with pytest.raises(Refusal, match="keyring does not answer"):
        keep_password(WEB, "hunter2")
    with pytest.raises(Refusal, match="keyring does not answer"):
        password_of(WEB)


@pytest.mark.parametrize(
    ("node", "says"),
    [
        (replace(HOSPITAL, name=" "), "no name"),
        (replace(HOSPITAL, host=""), "host"),
        (replace(HOSPITAL, host="a b"), "host"),
        (replace(HOSPITAL, ae_title=""), "AE title"),
        (replace(HOSPITAL, ae_title="SEVENTEEN-LETTERS"), "AE title"),
        (replace(HOSPITAL, our_ae_title="A\\B"), "our AE title"),
        (replace(HOSPITAL, port=0), "its port"),
        (replace(HOSPITAL, our_port=70000), "our port"),
        (replace(HOSPITAL, way="FTP"), "C-GET, C-MOVE or DICOMweb"),
        (replace(HOSPITAL, tls=True, way="C-MOVE"), "certificate"),
        (replace(WEB, url="pacs.example.org"), "DICOMweb address"),
        (replace(WEB, url="file:///etc/passwd"), "DICOMweb address"),
        (replace(WEB, url="https://a.example.org:99999/x"), "DICOMweb address"),
        (replace(WEB, url="https://me:secret@pacs.example.org/dicom-web"), "holds a user"),
        (replace(WEB, url="http://pacs.example.org/dicom-web"), "unencrypted"),
    ],
)
def test_what_cannot_be_right_is_refused(node: Node, says: str) -> None:
    with pytest.raises(Refusal, match=says):
        write_nodes([node])
    assert not nodes_file().exists()


def test_two_nodes_of_one_name_are_refused() -> None:
    with pytest.raises(Refusal, match="two nodes called Hospital"):
        write_nodes([HOSPITAL, replace(HOSPITAL, port=105)])


def test_spaces_around_what_is_typed_do_not_count() -> None:
    assert checked(replace(HOSPITAL, host=" pacs.example.org ", ae_title=" PACS ")) == HOSPITAL


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 1}', '{"version": 1, "nodes": [{"name": 1}]}'])
def test_a_damaged_file_is_said_and_left(text: str) -> None:
    nodes_file().parent.mkdir(parents=True, exist_ok=True)
    nodes_file().write_text(text, "utf-8")
    with pytest.raises(Refusal, match="damaged"):
        read_nodes()
    assert nodes_file().read_text("utf-8") == text


def test_keys_of_other_versions_are_passed_over() -> None:
    write_nodes([HOSPITAL])
    kept = json.loads(nodes_file().read_text("utf-8"))
    kept["nodes"][0]["colour"] = "red"
    nodes_file().write_text(json.dumps(kept), "utf-8")
    assert read_nodes() == (HOSPITAL,)
    nodes_file().write_text(json.dumps({**kept, "version": 99}), "utf-8")
    with pytest.raises(Refusal, match="newer"):
        read_nodes()
