rm -rf /var/tmp/hostctl-oracle-proxies
