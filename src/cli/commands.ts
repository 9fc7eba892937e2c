/** The tuple of commands: help, dispatch and tests follow from it. */
import { channelsClose, channelsList } from './channels.ts'
import { channelsWithdraw } from './channels-withdraw.ts'
import type { Command } from './command.ts'
import { approvalsAllow, approvalsDeny, approvalsList } from './approvals.ts'
import { configCheck } from './config-check.ts'
import { demo } from './demo.ts'
import { doctor } from './doctor.ts'
import { init } from './init.ts'
import { invoicesClose, invoicesExport, invoicesList, invoicesShow } from './invoices.ts'
import { keysCreate, keysList, keysRevoke, keysStatement } from './keys.ts'
import { mcp } from './mcp.ts'
import { modelsList, modelsShow } from './models.ts'
import { ledgerVerify } from './ledger-verify.ts'
import { receiptsStatement } from './receipts-statement.ts'
import { presetsDelete, presetsList, presetsSet, presetsShow } from './presets.ts'
import { providersList, providersShow } from './providers.ts'
import { reload } from './reload.ts'
import { receiptsExport, receiptsList, receiptsShow, receiptsVerify } from './receipts.ts'
import { reconcile } from './reconcile.ts'
import { canonicalAdd, canonicalList, canonicalRemove } from './registry-canonical.ts'
import { registryCheck } from './registry-check.ts'
import { registryBuild, registryList, registryShow } from './registry-list.ts'
import { registryAdd, registryAddModel, registryDelete, registryNew, registryRemoveModel } from './registry-providers.ts'
import { registryValidate } from './registry-validate.ts'
import { route } from './route.ts'
import { salesCollect, salesList, salesShow } from './sales.ts'
import { serve } from './serve.ts'
import { setup } from './setup.ts'
import { walletApprove } from './wallet-approve.ts'
import { walletCreate, walletImport, walletStatus } from './wallet.ts'
import { walletExport } from './wallet-export.ts'

/** In the order of help: from the first five minutes to the last resort. */
export const commands: readonly Command[] = [
  init,
  serve,
  mcp,
  setup,
  doctor,
  demo,
  modelsList,
  modelsShow,
  route,
  providersList,
  providersShow,
  presetsList,
  presetsShow,
  presetsSet,
  presetsDelete,
  reload,
  walletCreate,
  walletImport,
  walletStatus,
  walletApprove,
  walletExport,
  receiptsList,
  receiptsShow,
  receiptsVerify,
  receiptsExport,
  receiptsStatement,
  reconcile,
  keysCreate,
  keysList,
  keysRevoke,
  keysStatement,
  salesList,
  salesShow,
  salesCollect,
  ledgerVerify,
  channelsList,
  channelsClose,
  channelsWithdraw,
  invoicesList,
  invoicesShow,
  invoicesExport,
  invoicesClose,
  approvalsList,
  approvalsAllow,
  approvalsDeny,
  registryNew,
  registryCheck,
  registryValidate,
  registryList,
  registryShow,
  registryAdd,
  registryAddModel,
  registryRemoveModel,
  registryDelete,
  canonicalList,
  canonicalAdd,
  canonicalRemove,
  registryBuild,
  configCheck,
]
