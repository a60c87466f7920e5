"""`manage.py run --demo`: its users, and what the simulated hospital is told."""

import json
from pathlib import Path

import pytest
from django.conf import LazySettings

from accounts.models import Facility, Role, Token, User
from ris_pacs import demo


@pytest.fixture(autouse=True)
def home(settings: LazySettings, tmp_path: Path) -> Path:
    settings.HOME = tmp_path
    # Argon2 is slow on purpose.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return tmp_path


def test_each_role_of_the_day_has_a_user_with_a_name_and_the_kept_password(
    facility: Facility, home: Path
) -> None:
    hospital = demo.prepare()

    kept = home / "secrets" / "demo_password"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.read_text().strip() == hospital.password
    users = {user.username: user for user in User.objects.all()}
    assert set(users) == {"tess", "rada", "ruben", "resi", "trudy", "mara", "iris"}
    for user in users.values():
        assert " " in user.full_name
        assert user.check_password(hospital.password)
        assert list(user.facilities.all()) == [facility]
    assert users["rada"].roles == [Role.RADIOLOGIST]
    assert not any(Role.ADMINISTRATOR in user.roles for user in users.values())


def test_a_second_run_has_the_same_users_and_password_and_other_tokens(facility: Facility) -> None:
    first, second = demo.prepare(), demo.prepare()

    assert first.password == second.password
    assert User.objects.count() == len(demo.PEOPLE)
    assert all(Token.user_of(token) is None for token in first.tokens.values())
    for name, token in second.tokens.items():
        user = Token.user_of(token)
        assert user is not None
        assert user.username == name


def test_somebody_else_of_the_same_name_is_left_alone(facility: Facility) -> None:
    User.objects.create_user("mara", "another password", roles=[Role.ADMINISTRATOR])

    hospital = demo.prepare()

    mara = User.objects.get(username="mara")
    assert mara.roles == [Role.ADMINISTRATOR]
    assert mara.check_password("another password")
    assert "mara" not in hospital.tokens
    assert "left alone, since they have another password: mara" in "\n".join(hospital.welcome())


def test_only_the_simulator_is_told_tokens_and_password(facility: Facility) -> None:
    hospital = demo.prepare()
    told = hospital.environment()

    assert json.loads(told["RIS_PACS_DEMO_TOKENS"]) == hospital.tokens
    assert told["RIS_PACS_DEMO_PASSWORD"] == hospital.password
    assert told["RIS_PACS_HL7_DESTINATION"]
    welcome = "\n".join(hospital.welcome())
    assert hospital.password in welcome
    assert not any(token in welcome for token in hospital.tokens.values())
