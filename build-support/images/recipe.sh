#!/bin/bash
# Makes the file system of a base image. The same package versions give the same files.
# `base-image` calls it; people do not.
#
#   recipe.sh SOURCES APT_CONFIG TAR PACKAGES [COMMAND]
#
# SOURCES     file of "deb ..." lines, one for each of Debian's archives; if it is empty,
#             mmdebstrap uses those that it knows itself
# APT_CONFIG  file of apt settings (a proxy, say) to download with
# TAR         the file system is written here
# PACKAGES    what to install beside Debian's minimal system, separated by commas
# COMMAND     a file to install into /usr/local/bin
set -euo pipefail

# mmdebstrap calls this file again, from outside the new system, when all packages
# are installed there.
customize() {
    local root=$1
    chroot "$root" groupadd --gid 10001 maxai
    chroot "$root" useradd --uid 10001 --gid 10001 --no-create-home \
        --home-dir /home/maxai --shell /bin/sh maxai
    install -d -o 10001 -g 10001 "$root/data"
    # The image may run as any uid, and each uid needs a home that it can write to.
    install -d -o 10001 -g 10001 -m 1777 "$root/home/maxai"
    # The PATH has /opt/venv/bin before this folder, so a virtual environment wins.
    ln -s /usr/bin/python3.11 "$root/usr/local/bin/python"
    ln -s /usr/bin/python3.11 "$root/usr/local/bin/python3"
    if [ -n "$COMMAND" ]; then
        install -m 0755 "$COMMAND" "$root/usr/local/bin/"
    fi
    local store=/etc/ssl/certs/java/cacerts
    if [ -e "$root$store" ]; then
        # Java's store of certificates says when each was added; this format does not.
        chroot "$root" keytool -importkeystore -noprompt -srckeystore "$store" \
            -srcstorepass changeit -destkeystore "$store.new" -deststoretype PKCS12 \
            -deststorepass changeit -J-Dkeystore.pkcs12.macAlgorithm=NONE \
            -J-Dkeystore.pkcs12.certProtectionAlgorithm=NONE
        mv "$root$store.new" "$root$store"
    fi
    rm -rf "$root"/usr/share/{info,locale,man}/*
    find "$root/usr/share/doc" ! -type d ! -name copyright -delete
    find "$root/usr/share/doc" -type d -empty -delete
    # These files name this host or its mirror, or contain a time or a random number.
    rm -rf "$root"/etc/apt/{sources.list,sources.list.d/*,apt.conf.d/99mmdebstrap} \
        "$root"/etc/{hostname,resolv.conf} \
        "$root"/etc/{passwd,group,shadow,gshadow,subuid,subgid}- \
        "$root"/var/cache/{apt,debconf,ldconfig}/* \
        "$root"/var/lib/apt/lists/* "$root"/var/lib/dpkg/*-old
    find "$root/var/log" -type f -delete
}

export LC_ALL=C.UTF-8
if [ "$1" = --customize ]; then
    customize "$2"
    exit
fi

umask 022
sources=
[ ! -s "$1" ] || sources=$1
RECIPE=$(realpath "$0")
export RECIPE COMMAND=${5:-}
export DEBIAN_FRONTEND=noninteractive SOURCE_DATE_EPOCH=1704067200

# Without merged-usr, Debian's minimal system gets a converter to it and all of Perl.
# shellcheck disable=SC2016  # mmdebstrap's shell expands the hook.
exec mmdebstrap --format=tar --variant=minbase --architectures=amd64 \
    --keyring=/usr/share/keyrings/debian-archive-keyring.gpg --aptopt="$2" \
    --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr --include="$4" \
    --customize-hook='"$RECIPE" --customize "$1"' \
    --skip=output/dev bookworm "$3" ${sources:+"$sources"}
