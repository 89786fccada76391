# cmux-lifecycle: pages, API and workers in one image; the command says which.
#
#   docker build -t cmux-lifecycle .

FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY scripts ./scripts
COPY src ./src
RUN npm run build && rm -f dist/.tsbuildinfo

FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
# Without scripts: nothing is compiled, and what a package would run at install time does not run. The compiler stays
# because a package of Bull Board's names it as an optional peer; nothing loads it, and it is a third of them all.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund && rm -rf node_modules/typescript node_modules/.bin

FROM node:24-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json .env.example ./
# The one place where it writes, for a volume: what sandboxes cost, for ever.
RUN install -d -o node -g node /var/lib/cmux-lifecycle/ledger
ENV LEDGER_DIR=/var/lib/cmux-lifecycle/ledger
# The user that the image of Node brings; it can write nowhere else.
USER node
EXPOSE 8787 8788
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 CMD ["node", "dist/main/health-check.js"]
ENTRYPOINT ["node", "dist/main/cli.js"]
CMD ["serve"]
