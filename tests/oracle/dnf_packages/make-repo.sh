#!/bin/sh
# Builds the small packages of this case and a repository of them in the folder $1.
set -e
cd "$1"
mkdir -p SPECS repo
package() { # NAME VERSION [TAG...]
    name=$1 version=$2
    shift 2
    {
        printf 'Name: %s\nVersion: %s\nRelease: 1\nSummary: test\nLicense: MIT\nBuildArch: noarch\n' "$name" "$version"
        [ $# -eq 0 ] || printf '%s\n' "$@"
        printf '%%description\ntest\n%%install\nmkdir -p %%{buildroot}/usr/share/%s\n' "$name"
        printf 'echo %s >%%{buildroot}/usr/share/%s/version\n%%files\n/usr/share/%s\n' "$version" "$name" "$name"
    } >"SPECS/$name-$version.spec"
    rpmbuild -bb --quiet --define "_topdir $PWD" --define "_rpmdir $PWD/repo" "SPECS/$name-$version.spec" >/dev/null
}
package alpha 1.0
package alpha 1.1
package beta 2.0 'Requires: alpha'
package gamma 1 'Requires: nothing-has-this'
package delta 1 'Conflicts: beta'
package a-package-with-a-name-that-is-wider-than-the-column-of-dnf 123456789.1 'Epoch: 3' 'Requires: beta'
package weak 1 'Recommends: alpha'
package zeta 1
package epsilon 2 'Obsoletes: zeta < 5' 'Provides: greek = 7'
package fresh 1
cat >comps.xml <<'XML'
<?xml version="1.0"?>
<comps><group><id>letters</id><name>Greek letters</name><packagelist>
<packagereq type="mandatory">fresh</packagereq><packagereq type="default">zeta</packagereq>
</packagelist></group></comps>
XML
createrepo_c -q -g "$PWD/comps.xml" repo
mkdir -p later
cat >dnf.conf <<CONF
[main]
gpgcheck=0
reposdir=/nonexistent
cachedir=$1/cache
plugins=0
[test]
name=test
baseurl=file://$1/repo
gpgcheck=0
[spare]
name=spare
baseurl=file://$1/repo
enabled=0
gpgcheck=0
CONF
