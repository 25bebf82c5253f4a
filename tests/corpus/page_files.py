"""A snapshot in the making: what the fences of a page say, turned into input files of the formats that iamsim reads."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

A = "111122223333"
DATE = "2024-01-01T00:00:00Z"
FULL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
RCP_FULL = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}],
}
EC2_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
TYPES = {"scp": "SERVICE_CONTROL_POLICY", "rcp": "RESOURCE_CONTROL_POLICY"}


def account_of(arn: str) -> str:
    """The account field of an ARN, A if it has none."""
    return (arn.split(":") + [""] * 5)[4] or A


def split_name(kind: str, name: str) -> tuple[str, str]:
    """The account and the bare name of `NAME`, `kind/NAME`, `ACCOUNT:NAME` or `ACCOUNT:kind/NAME`."""
    m = re.fullmatch(rf"(?:([0-9]{{12}}):)?(?:{kind}/)?(.+)", name)
    return (m[1] or A, m[2]) if m else (A, name)


def serial(prefix: str, *parts: str) -> str:
    """A unique id that depends on nothing but `parts`."""
    return prefix + sha256("/".join(parts).encode()).hexdigest().upper()[:17]


@dataclass(slots=True)
class Snapshot:
    """Collects records; `files()` gives the input files."""

    identities: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    groups: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    managed: dict[tuple[str, str], Any] = field(default_factory=dict)
    versions: dict[tuple[str, str], list[tuple[str, bool, Any]]] = field(default_factory=dict)
    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    providers: dict[str, list[tuple[str, Any]]] = field(default_factory=dict)
    accounts: set[str] = field(default_factory=lambda: {A})
    organization: Any = None
    org_policies: dict[tuple[str, str], list[Any]] = field(default_factory=dict)
    delegated: dict[str, list[str] | None] = field(default_factory=dict)
    only: set[tuple[str, str]] = field(default_factory=set)
    raw: dict[str, Any] = field(default_factory=dict)

    def identity(self, kind, name, document=None, *, path=None, unique_id=None, tags=None):
        account, bare = split_name(kind, name)
        self.accounts.add(account)
        word = kind.capitalize()
        record = self.identities.setdefault((account, kind, bare), {
            f"{word}Name": bare, f"{word}Id": serial("AIDA" if kind == "user" else "AROA", account, bare),
            "Path": "/", "CreateDate": DATE, f"{word}PolicyList": [], "AttachedManagedPolicies": [], "Tags": [],
            **({"GroupList": []} if kind == "user" else {"AssumeRolePolicyDocument": EC2_TRUST, "InstanceProfileList": []}),
        })  # fmt: skip
        record["Path"] = path or record["Path"]
        record[f"{word}Id"] = unique_id or record[f"{word}Id"]
        record["Arn"] = f"arn:aws:iam::{account}:{kind}{record['Path']}{bare}"
        record["Tags"] += [{"Key": k, "Value": v} for k, v in (tags or {}).items()]
        if document is not None:
            number = len(record[f"{word}PolicyList"]) + 1
            record[f"{word}PolicyList"].append({"PolicyName": f"inline-{number}", "PolicyDocument": document})
        return account, record

    def _named(self, name):
        """The identity `user/NAME` or `role/NAME`, created if it is not there yet."""
        m = re.fullmatch(r"(?:[0-9]{12}:)?(user|role)/.+", name)
        if not m:
            raise KeyError(f"`{name}` is neither `user/NAME` nor `role/NAME`")
        return self.identity(m[1], name)

    def group(self, name, document, members):
        account, bare = split_name("group", name)
        group = self.groups.setdefault((account, bare), {
            "GroupName": bare, "GroupId": serial("AGPA", account, bare), "Path": "/", "CreateDate": DATE,
            "Arn": f"arn:aws:iam::{account}:group/{bare}", "GroupPolicyList": [], "AttachedManagedPolicies": [],
        })  # fmt: skip
        if document is not None:
            number = len(group["GroupPolicyList"]) + 1
            group["GroupPolicyList"].append({"PolicyName": f"inline-{number}", "PolicyDocument": document})
        for member in members:
            own = member if re.match(r"[0-9]{12}:", member) else f"{account}:{member}"
            groups = self.identity("user", own)[1]["GroupList"]
            groups += [] if bare in groups else [bare]

    def attach(self, name, arn, document):
        if re.fullmatch(r"(?:[0-9]{12}:)?group/.+", name):
            account, bare = split_name("group", name)
            self.group(name, None, [])
            record = self.groups[account, bare]
        else:
            account, record = self._named(name)
        record["AttachedManagedPolicies"].append({"PolicyName": arn.rsplit("/", 1)[-1], "PolicyArn": arn})
        if document is not None:
            self.managed[account, arn] = document

    def managed_version(self, name, document, *, version, default):
        """One stored version of a customer managed policy: NAME, `PATH/NAME`, or either after an account."""
        account, bare = split_name("policy", name)
        self.accounts.add(account)
        if document is None:
            raise KeyError("a version needs its document")
        known = self.versions.setdefault((account, f"arn:aws:iam::{account}:policy/{bare}"), [])
        if any(version == v for v, _, _ in known):
            raise KeyError(f"version {version} of `{name}` stands twice")
        known.append((version, default, document))

    def profile(self, role, name):
        """An instance profile `name` that holds `role`."""
        account, record = self._named(role)
        if not isinstance(name, str) or "InstanceProfileList" not in record:
            raise KeyError("the body is the name of an instance profile, and a role is in it")
        record["InstanceProfileList"].append({
            "InstanceProfileName": name, "InstanceProfileId": serial("AIPA", account, name), "Path": "/",
            "Arn": f"arn:aws:iam::{account}:instance-profile/{name}", "CreateDate": DATE, "Roles": [],
        })  # fmt: skip

    def delegate(self, service, accounts):
        """`accounts` are delegated administrators of `service`; None: the organization file does not tell."""
        self.delegated[service] = accounts

    def boundary(self, name, document, *, arn=None):
        account, record = self._named(name)
        arn = arn or f"arn:aws:iam::{account}:policy/boundary-{name.split(':')[-1].replace('/', '-')}"
        record["PermissionsBoundary"] = {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn}
        if document is not None:
            self.managed[account, arn] = document

    def trust(self, name, document):
        self._named(name)[1]["AssumeRolePolicyDocument"] = document

    def resource(self, arn, document, *, account=None, tags=None, restrict=None):
        entry = self.resources.setdefault(arn, {"Resource": arn})
        entry["Account"] = account or entry.get("Account") or account_of(arn)
        entry["Policy"] = document
        if tags:
            entry["Tags"] = {**entry.get("Tags", {}), **tags}
        if restrict is not None:
            entry["PublicAccessBlock"] = {"RestrictPublicBuckets": restrict}

    def grants(self, arn, grants):
        entry = self.resources.setdefault(arn, {"Resource": arn, "Account": account_of(arn)})
        entry["KmsGrants"] = grants or []

    def org_policy(self, kind, node, document, *, only):
        self.org_policies.setdefault((kind, node), []).append(document)
        if only:
            self.only.add((kind, node))

    def load(self, accounts):
        self.accounts.update(accounts)

    def provider(self, account, arn, value):
        self.accounts.add(account)
        self.providers.setdefault(account, []).append((arn, value or {}))

    def files(self) -> dict[str, Any]:
        """The input files, by name."""
        out = {f"gaad-{account}.json": self._gaad(account) for account in sorted(self.accounts)}
        providers = [
            {"Resource": arn, "ClientIDList": value.get("client_ids", [])}
            if ":oidc-provider/" in arn
            else {"Resource": arn}
            for found in self.providers.values()
            for arn, value in found
        ]
        if self.resources or providers:
            out["resources.json"] = [*self.resources.values(), *providers]
        if self.organization is not None:
            out["organization.json"] = self._organization()
        elif self.org_policies or self.delegated:
            raise KeyError("scp, rcp and delegated need an organization")
        return {**out, **self.raw}

    def _gaad(self, account):
        users = [r for (a, kind, _), r in self.identities.items() if (a, kind) == (account, "user")]
        roles = [r for (a, kind, _), r in self.identities.items() if (a, kind) == (account, "role")]
        groups = [g for (a, _), g in self.groups.items() if a == account]
        if not (users or roles or groups):
            # the account of a file is read from its ARNs
            groups = [{"GroupName": "nobody", "GroupId": serial("AGPA", account), "Path": "/", "CreateDate": DATE,
                       "Arn": f"arn:aws:iam::{account}:group/nobody", "GroupPolicyList": [], "AttachedManagedPolicies": []}]  # fmt: skip
        return {
            "UserDetailList": users,
            "GroupDetailList": groups,
            "RoleDetailList": roles,
            "Policies": [policy_of_versions(arn, versions) for arn, versions in self._policies(account)],
        }

    def _policies(self, account):
        """The customer managed policies of an account: ARN, and (id, default, document) of each stored version."""
        if twice := self.managed.keys() & self.versions.keys():
            raise KeyError(f"the documents of {sorted(twice)} are given twice")
        single = [(key, [("v1", True, document)]) for key, document in self.managed.items()]
        for (owner, arn), versions in [*single, *self.versions.items()]:
            if owner != account:
                continue
            if len(versions) == 1:
                versions = [(versions[0][0], True, versions[0][2])]  # noqa: PLW2901 - the only one is the default
            if sum(default for _, default, _ in versions) != 1:
                raise KeyError(f"`{arn}` needs exactly one version with default=true")
            yield arn, versions

    def _organization(self):
        spec = self.organization
        org, management = spec.get("id", "o-x"), spec.get("management", "777788889999")
        base = f"arn:aws:organizations::{management}:"
        known = {"root"}

        def account(number):
            known.add(number)
            return {"Id": number, "Arn": f"{base}account/{org}/{number}", "Name": f"account-{number}",
                    "Status": "ACTIVE", "Type": "Account", "Policies": self._node_policies(number)}  # fmt: skip

        def children(tree):
            kids = [unit(n, v) for n, v in tree.items() if n not in ("accounts", "id")]
            return kids + [account(str(a)) for a in tree.get("accounts", ())]

        def unit(name, tree):
            known.add(name)
            number = tree.get("id") or f"ou-x-{re.sub('[^a-z0-9]', '', name.lower())}"
            return {"Id": number, "Arn": f"{base}ou/{org}/{number}", "Name": name, "Type": "OU",
                    "Policies": self._node_policies(name), "Children": children(tree)}  # fmt: skip

        kids = children(spec.get("tree", {}))
        if management not in known:
            kids.append(account(management))
        if unknown := {node for _, node in self.org_policies} - known:
            raise KeyError(f"no node {sorted(unknown)} in the organization")
        return {"Id": spec.get("root", "r-x"), "Arn": f"{base}root/{org}/r-x", "Name": "Root", "Type": "Root",
                "ManagementAccountId": management, "Policies": self._node_policies("root"), "Children": kids,
                **self._delegated(known)}  # fmt: skip

    def _delegated(self, known):
        """The delegated administrators: all of them, unless a fence says that the file does not tell."""
        if None in self.delegated.values():
            return {}
        services: dict[str, list[str]] = {}
        for service, accounts in self.delegated.items():
            for account in accounts:
                services.setdefault(account, []).append(service)
        if unknown := services.keys() - known:
            raise KeyError(f"no account {sorted(unknown)} in the organization")
        entries = [
            {"Id": account, "DelegatedServices": [{"ServicePrincipal": s} for s in found]}
            for account, found in sorted(services.items())
        ]
        return {"DelegatedAdministrators": entries}

    def _node_policies(self, node):
        """With some policy of a type in the organization, every node has one: full access unless it says otherwise."""
        out = []
        for kind, full, name in (("scp", FULL, "FullAWSAccess"), ("rcp", RCP_FULL, "RCPFullAWSAccess")):
            if not any(k == kind for k, _ in self.org_policies):
                continue
            if (kind, node) not in self.only:
                out.append({"Id": f"p-{name}", "Name": name, "Type": TYPES[kind], "AwsManaged": True, "Content": full})
            for i, document in enumerate(self.org_policies.get((kind, node), ()), 1):
                # an empty block with only=true leaves the node without any policy of the type
                if document is not None:
                    named = {"Id": f"p-{kind}_{re.sub('[^a-zA-Z0-9]', '', node)}_{i}", "Name": f"{kind}-{node}-{i}"}
                    out.append({**named, "Type": TYPES[kind], "Content": document})
        return out


def managed_policy(arn: str, document: Any) -> dict[str, Any]:
    """A customer managed policy as account details show it, with one version."""
    return policy_of_versions(arn, [("v1", True, document)])


def policy_of_versions(arn: str, versions: list[tuple[str, bool, Any]]) -> dict[str, Any]:
    """A customer managed policy as account details show it, with its stored versions."""
    path, _, name = arn.split(":", 5)[5].removeprefix("policy").rpartition("/")
    default = next(version for version, is_default, _ in versions if is_default)
    listed = [
        {"Document": document, "VersionId": version, "IsDefaultVersion": is_default, "CreateDate": DATE}
        for version, is_default, document in versions
    ]
    return {"PolicyName": name, "PolicyId": serial("ANPA", arn), "Arn": arn, "Path": f"{path}/", "DefaultVersionId": default,
            "AttachmentCount": 1, "PermissionsBoundaryUsageCount": 0, "IsAttachable": True, "CreateDate": DATE,
            "UpdateDate": DATE, "PolicyVersionList": listed}  # fmt: skip
