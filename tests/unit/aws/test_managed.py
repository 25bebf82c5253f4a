import hashlib
import re
from importlib import resources

import pytest

from iamsim.aws import managed


def test_administrator_access():
    document, name = managed.managed_policy("arn:aws:iam::aws:policy/AdministratorAccess")
    assert name == "AdministratorAccess"
    assert document["Statement"] == [{"Action": "*", "Effect": "Allow", "Resource": "*"}]


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:iam::aws:policy/job-function/ViewOnlyAccess",
        "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole",
        "arn:aws:iam::aws:policy/aws-service-role/AWSSupportServiceRolePolicy",
        "arn:aws-cn:iam::aws:policy/ReadOnlyAccess",
        "arn:aws-us-gov:iam::aws:policy/SecurityAudit",
    ],
)
def test_paths_and_partitions(arn):
    document, name = managed.managed_policy(arn)
    assert arn.endswith(f"/{name}")
    assert document["Statement"]


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:iam::aws:policy/NoSuchPolicy",
        "arn:aws:iam::111122223333:policy/AdministratorAccess",
        "arn:aws:s3::aws:policy/AdministratorAccess",
        "arn:elsewhere:iam::aws:policy/AdministratorAccess",
        "AdministratorAccess",
        "",
    ],
)
def test_unknown(arn):
    assert managed.managed_policy(arn) is None


def test_all_are_policies():
    policies = managed.managed_policies()
    assert len(policies) > 1500
    for arn, row in policies.items():
        assert arn.startswith("arn:aws:iam::aws:policy/")
        assert arn.endswith(f"/{row['name']}")
        assert re.fullmatch(r"v\d+", row["version"])
        assert row["document"]["Statement"]
    with pytest.raises(TypeError):
        policies["x"] = {}


def test_readme_describes_the_bundle():
    folder = resources.files("iamsim.aws") / "data"
    readme = (folder / "README.md").read_text(encoding="utf-8")
    data = (folder / "managed_policies.json.gz").read_bytes()
    assert hashlib.sha256(data).hexdigest() in readme
    assert managed.managed_date() in readme
    assert f"{len(managed.managed_policies()):,}" in readme
    assert managed.managed_source().partition(",")[0] in readme
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", managed.managed_date())
    assert data[4:8] == b"\0\0\0\0"  # no time stamp
