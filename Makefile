.DEFAULT_GOAL := help
.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-10s %s\n", $$1, $$2}'

.PHONY: run
run: ## The shop, with everything embedded, on http://127.0.0.1:8080
	go run ./cmd/shop

.PHONY: build
build: ## The binary: bin/shop
	go build -trimpath -o bin/shop ./cmd/shop

.PHONY: test
test: ## All tests; those of real engines run where SHOP_TEST_DATABASE_URL, _REDIS_URL, _KAFKA_BROKERS, _ELASTICSEARCH_URL, _CASSANDRA_HOSTS and _BLOB_URL say
	go test ./...

.PHONY: bench
bench: ## Orders, reads, claims, drops and catalogues a second on SHOP_TEST_DATABASE_URL, into docs/benchmarks.md
	go run ./bench all

.PHONY: crash
crash: ## The shop killed at each of its failpoints in turn, under a crowd, on both buses
	SHOP_CRASH_FULL=1 go test -tags failpoints -run '^(TestFailpoints|TestReindexKilled)$$' -count=1 -timeout 90m -v ./cmd/shop

.PHONY: generate
generate: bin/sqlc ## Go from the SQL of every module
	bin/sqlc generate

.PHONY: lint
lint: bin/gofumpt bin/staticcheck ## Format, vet and staticcheck
	@bad=$$(bin/gofumpt -l .); test -z "$$bad" || (echo "$$bad"; echo "run: make format"; exit 1)
	go vet ./...
	bin/staticcheck ./...

.PHONY: format
format: bin/gofumpt ## Format every Go file
	bin/gofumpt -w .

.PHONY: verify
verify: bin/sqlc ## Generated code is what the SQL says, and go.mod is tidy
	bin/sqlc diff
	go mod tidy -diff

bin/sqlc: tools/go.mod
	cd tools && CGO_ENABLED=0 go build -o ../$@ github.com/sqlc-dev/sqlc/cmd/sqlc

bin/gofumpt: tools/go.mod
	cd tools && go build -o ../$@ mvdan.cc/gofumpt

bin/staticcheck: tools/go.mod
	cd tools && go build -o ../$@ honnef.co/go/tools/cmd/staticcheck
