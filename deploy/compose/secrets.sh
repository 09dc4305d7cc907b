#!/bin/sh
# Makes what compose.yaml needs and no image may hold: ./secrets and ./.env beside it. Never over what is there.
set -eu
cd "$(dirname "$0")"
[ ! -e secrets ] && [ ! -e .env ] || { echo "secrets or .env are there already: keep them, or remove both" >&2; exit 1; }
umask 077
mkdir secrets
redis_password=$(openssl rand -hex 24)
postgres_password=$(openssl rand -hex 24)
openssl rand -base64 32 > secrets/sealing.key
openssl rand -base64 32 > secrets/audit.key
sed "s/CHANGE-ME/$redis_password/" ../redis/users.acl > secrets/users.acl
printf 'REDIS_PASSWORD=%s\nPOSTGRES_PASSWORD=%s\n' "$redis_password" "$postgres_password" > .env
# compose mounts these files as they are, and the programs that read them run as nobody in particular
chmod 0444 secrets/*
echo "made deploy/compose/secrets and deploy/compose/.env"
