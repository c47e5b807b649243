module github.com/sortition/sortition/clients/go

go 1.19
